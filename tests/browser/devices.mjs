// What pages are looked at on, as options of a context.

export const DEVICES = {
  desktop: {},
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};
