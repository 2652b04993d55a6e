/** Fakes of the browser objects that the modules use. */

export class FakeEventSource extends EventTarget {
  static opened = [];
  static get latest() {
    return FakeEventSource.opened.at(-1);
  }

  readyState = 0;

  constructor(url) {
    super();
    this.url = url;
    FakeEventSource.opened.push(this);
  }

  accept() {
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }

  emit(name, data) {
    const json = typeof data === 'string' ? data : JSON.stringify(data);
    this.dispatchEvent(new MessageEvent(name, { data: json }));
  }

  /** The network failed: a browser would reconnect by itself. */
  fail() {
    this.readyState = 0;
    this.dispatchEvent(new Event('error'));
  }

  /** The server answered with something other than a stream. */
  refuse() {
    this.readyState = 2;
    this.dispatchEvent(new Event('error'));
  }

  close() {
    this.closed = true;
    this.readyState = 2;
  }
}

export function fakeWindow() {
  const window = new EventTarget();
  window.document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  return window;
}

/** A list of elements in order; each element knows its list. */
export class FakeList {
  items = [];

  insertBefore(element, before) {
    element.remove();
    const index = before === null ? this.items.length : this.items.indexOf(before);
    if (index < 0) throw new Error('the element to insert before is not in the list');
    this.items.splice(index, 0, element);
    element.list = this;
  }

  get texts() {
    return this.items.map(({ text, status }) => (status === 'final' ? text : `${text} (${status})`));
  }
}

export class FakeElement {
  list = null;

  remove() {
    if (this.list) this.list.items = this.list.items.filter((item) => item !== this);
    this.list = null;
  }
}

export function fakeRender(message, status, element = new FakeElement()) {
  return Object.assign(element, { text: message.text, status });
}
