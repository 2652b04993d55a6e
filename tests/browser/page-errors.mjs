// Collects uncaught errors of pages, errors on their consoles, and violations of their Content Security Policy.

export class PageErrors {
  #errors = [];
  #allowed = [];
  #browser;

  /** `device`: default options of contexts. */
  constructor(browser, device = {}) {
    this.#browser = browser;
    const newContext = browser.newContext.bind(browser);
    // browser.newPage() also creates its context with this method. An event would come too late: the first page may be
    // loading by then.
    browser.newContext = async (options) => this.#collect(await newContext({ ...device, ...options }));
  }

  /** Errors that match are part of the scenario. A violation of the policy never is. */
  allow(pattern) {
    this.#allowed.push(pattern);
  }

  /** Waits until the errors so far have arrived: they precede the result of an evaluation on the same connection. */
  async settle() {
    const pages = this.#browser.contexts().flatMap((context) => context.pages());
    await Promise.all(pages.map((page) => page.evaluate('null').catch(() => {})));
  }

  check() {
    if (this.#unexpected().length > 0) throw new Error('the page has errors');
  }

  report() {
    const errors = this.#unexpected().map(({ kind, text }) => `  ${kind}: ${text}`);
    return errors.length > 0 ? `errors of the page:\n${errors.join('\n')}` : 'the page has no errors';
  }

  #unexpected() {
    const isAllowed = (text) => this.#allowed.some((pattern) => new RegExp(pattern).test(text));
    return this.#errors.filter(({ kind, text }) => kind === 'policy' || !isAllowed(text));
  }

  async #collect(context) {
    const record = (kind, text) => this.#errors.push({ kind, text });
    context.on('weberror', (error) => record('error', error.error()?.stack ?? `${error.error()}`));
    context.on('console', (message) => {
      if (message.type() === 'error') record('console', `${message.text()} (${message.location().url})`);
    });
    // Chromium logs violations to the console as well, but allowErrors could allow those.
    await context.exposeBinding('__policyViolation', (_, text) => record('policy', text));
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        const where = `${event.documentURI} (${event.sourceFile}:${event.lineNumber})`;
        window.__policyViolation(`${event.effectiveDirective} forbids ${event.blockedURI} in ${where}`);
      });
    });
    return context;
  }
}
