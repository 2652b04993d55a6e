// The devices of the tests, as options of a context.

export const DEVICES = {
  desktop: {},
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};
