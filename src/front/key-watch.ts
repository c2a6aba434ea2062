/** Keeps a front's API keys those of the database: asks for them again and again, of another worker each time. */
import type { Clock } from '../clock.ts';
import { API_KEYS_EVERY_MS, API_KEYS_FIRST_MS, API_KEYS_WAIT_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { Access } from './access.ts';
import type { Backends } from './backends.ts';

export interface KeyWatch {
  /** Resolves when they are known for the first time. */
  known: Promise<void>;
  stop(): void;
}

export function watchKeys(
  access: Access,
  backends: Pick<Backends, 'keyringOf' | 'workers'>,
  clock: Clock,
): KeyWatch {
  const known = Promise.withResolvers<void>();
  let stopped = false;
  let failing = false;
  let turn = 0;
  const later = (ms: number, ask: () => Promise<void>): void => {
    clock.after(ms, () => {
      if (!stopped) void ask();
    });
  };

  /** Until they are known, each worker is asked by itself: one that hangs keeps nobody from hearing what another says. */
  const askFirst = async (worker: number): Promise<void> => {
    const keyring = await backends.keyringOf(worker, API_KEYS_WAIT_MS);
    if (stopped || access.isKnown) return;
    if (keyring === undefined) return later(API_KEYS_FIRST_MS, () => askFirst(worker));
    access.know(keyring);
    known.resolve();
    later(API_KEYS_EVERY_MS, askAgain);
  };
  const askAgain = async (): Promise<void> => {
    const keyring = await backends.keyringOf(turn++ % backends.workers, API_KEYS_WAIT_MS);
    if (stopped) return;
    if (keyring !== undefined) access.know(keyring);
    else if (!failing) log.warn('keys.not-read', { reason: 'no worker says them' });
    failing = keyring === undefined;
    later(API_KEYS_EVERY_MS, askAgain);
  };

  for (let worker = 0; worker < backends.workers; worker++) void askFirst(worker);
  return {
    known: known.promise,
    stop() {
      stopped = true;
    },
  };
}
