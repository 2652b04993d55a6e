/** Fakes of the locks and channels that the tabs of one browser share. */

export class Browser {
  #locks = new Map();
  #channels = new Set();

  /** The lock manager of a tab. */
  locks = {
    request: (name, options, callback) => this.#request(name, options, callback),
    query: async () => ({ held: [...this.#locks].filter(([, lock]) => lock.holder).map(([name]) => ({ name })) }),
  };

  /** The class of channels. One that is `frozen` receives nothing. */
  get Channel() {
    const channels = this.#channels;
    return class extends EventTarget {
      frozen = false;

      constructor(name) {
        super();
        this.name = name;
        channels.add(this);
      }

      postMessage(data) {
        const copy = structuredClone(data);
        for (const other of channels) {
          if (other === this || other.name !== this.name) continue;
          queueMicrotask(() => {
            if (!other.frozen && channels.has(other)) other.dispatchEvent(new MessageEvent('message', { data: copy }));
          });
        }
      }

      close() {
        channels.delete(this);
      }
    };
  }

  get channels() {
    return [...this.#channels];
  }

  #lock(name) {
    if (!this.#locks.has(name)) this.#locks.set(name, { holder: null, queue: [] });
    return this.#locks.get(name);
  }

  #request(name, { signal, steal = false }, callback) {
    const lock = this.#lock(name);
    return new Promise((resolve, reject) => {
      const request = { callback, resolve, reject };
      signal?.addEventListener('abort', () => {
        const at = lock.queue.indexOf(request);
        if (at >= 0) {
          lock.queue.splice(at, 1);
          reject(signal.reason);
        }
      });
      if (steal) {
        lock.holder?.reject(new DOMException('stolen', 'AbortError'));
        lock.holder = null;
        lock.queue.unshift(request);
      } else {
        lock.queue.push(request);
      }
      this.#grant(lock);
    });
  }

  #grant(lock) {
    if (lock.holder || lock.queue.length === 0) return;
    const request = lock.queue.shift();
    lock.holder = request;
    queueMicrotask(async () => {
      const outcome = await request.callback({});
      request.resolve(outcome);
      if (lock.holder !== request) return;
      lock.holder = null;
      this.#grant(lock);
    });
  }
}
