/** Keeps a front's API keys those of the database: asks again and again, and at once again until it knows them. */
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

export function watchKeys(access: Access, backends: Pick<Backends, 'keyring'>, clock: Clock): KeyWatch {
  const known = Promise.withResolvers<void>();
  let stopped = false;
  let failing = false;
  let cancel = (): void => {};
  const ask = async (): Promise<void> => {
    const keyring = await backends.keyring(API_KEYS_WAIT_MS);
    if (stopped) return;
    if (keyring !== undefined) access.know(keyring);
    else if (access.isKnown && !failing) log.warn('keys.not-read', { reason: 'no worker says them' });
    failing = keyring === undefined;
    if (access.isKnown) known.resolve();
    cancel = clock.after(access.isKnown ? API_KEYS_EVERY_MS : API_KEYS_FIRST_MS, () => void ask());
  };
  void ask();
  return {
    known: known.promise,
    stop() {
      stopped = true;
      cancel();
    },
  };
}
