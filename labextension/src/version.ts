/** The version of this panel, which is that of the distribution; imports nothing. */

export const VERSION = '0.1.0';
