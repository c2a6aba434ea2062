/** What may hang is given so long, and is then ended: nobody waits for a process that does not start. */
import { systemClock } from '../clock.ts';

/**
 * @param late what is said if it takes longer, before `within … s`
 * @param end called then
 */
export function within<T>(ms: number, promise: Promise<T>, late: string, end: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = systemClock.after(ms, () => {
      reject(new Error(`${late} within ${ms / 1000} s`));
      end();
    });
    promise.then(resolve, reject).finally(cancel);
  });
}
