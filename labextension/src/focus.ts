/** The place of the keyboard: kept in the panel where what had it goes, or is disabled. */

import * as React from 'react';

/**
 * Has the focus go on to a node where the last one in a panel is lost.
 *
 * A button that is pressed may go away, or be disabled by what it does; then the browser gives
 * the focus to the page, and a reader by ear is thrown out of the panel.
 */
export function useKeptFocus(
  panel: HTMLElement,
  next: React.RefObject<HTMLElement>
): void {
  const last = React.useRef<Element | null>(null);
  React.useEffect(() => {
    const enter = (event: FocusEvent) => {
      last.current = event.target as Element;
    };
    const leave = (event: Event) => {
      if (!panel.contains(event.target as Node)) {
        last.current = null;
      }
    };
    panel.addEventListener('focusin', enter);
    for (const type of ['focusin', 'pointerdown']) {
      document.addEventListener(type, leave, true);
    }
    return () => {
      panel.removeEventListener('focusin', enter);
      for (const type of ['focusin', 'pointerdown']) {
        document.removeEventListener(type, leave, true);
      }
    };
  }, []);
  React.useEffect(() => {
    const lost = last.current && (!last.current.isConnected || last.current.matches(':disabled'));
    if (lost && [document.body, last.current].includes(document.activeElement)) {
      next.current?.focus();
    }
  });
}
