// What pages complain about: uncaught errors, errors on the console, and violations of their Content Security Policy.

export class Watch {
  #complaints = [];
  #allowed = [];
  #browser;

  /** `device`: what contexts are made with, where they do not say otherwise. */
  constructor(browser, device = {}) {
    this.#browser = browser;
    const newContext = browser.newContext.bind(browser);
    // browser.newPage() makes its context by this method too. An event would come when the first page may be loading
    // already.
    browser.newContext = async (options) => this.#watch(await newContext({ ...device, ...options }));
  }

  /** Errors that match are part of the scenario. A violation of the policy never is. */
  allow(pattern) {
    this.#allowed.push(pattern);
  }

  /** Lets what pages have noticed arrive here: it comes over the same connection as the answer to a question. */
  async settle() {
    const pages = this.#browser.contexts().flatMap((context) => context.pages());
    await Promise.all(pages.map((page) => page.evaluate('null').catch(() => {})));
  }

  check() {
    if (this.#unexpected().length > 0) throw new Error('the page complained');
  }

  report() {
    const complaints = this.#unexpected().map(({ kind, text }) => `  ${kind}: ${text}`);
    return complaints.length > 0 ? `complaints of the page:\n${complaints.join('\n')}` : 'no complaints of the page';
  }

  #unexpected() {
    const isAllowed = (text) => this.#allowed.some((pattern) => new RegExp(pattern).test(text));
    return this.#complaints.filter(({ kind, text }) => kind === 'policy' || !isAllowed(text));
  }

  async #watch(context) {
    const complain = (kind, text) => this.#complaints.push({ kind, text });
    context.on('weberror', (error) => complain('error', error.error()?.stack ?? `${error.error()}`));
    context.on('console', (message) => {
      if (message.type() === 'error') complain('console', `${message.text()} (${message.location().url})`);
    });
    // Chromium writes violations to the console as well, but there allowErrors could excuse them.
    await context.exposeBinding('__policyViolation', (_, text) => complain('policy', text));
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        const where = `${event.documentURI} (${event.sourceFile}:${event.lineNumber})`;
        window.__policyViolation(`${event.effectiveDirective} forbids ${event.blockedURI} in ${where}`);
      });
    });
    return context;
  }
}
