/** A clock that only `pass` advances. Timers run in order of their time. */
export class FakeClock {
  #now = 1_767_323_045_678;
  #timers = new Map();
  #count = 0;

  now = () => this.#now;

  setTimeout = (run, ms) => {
    this.#count += 1;
    this.#timers.set(this.#count, { at: this.#now + ms, run });
    return this.#count;
  };

  clearTimeout = (timer) => this.#timers.delete(timer);

  get pending() {
    return this.#timers.size;
  }

  async pass(ms) {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = due[1].at;
      due[1].run();
    }
    this.#now = end;
    await settled();
  }
}

/** Waits until the effects of resolved promises have happened. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
