/** Keeps a front's API keys those of the database: asks again and again, and at once again until it knows them. */
import type { Clock } from '../clock.ts';
import { API_KEYS_EVERY_MS, API_KEYS_FIRST_MS, API_KEYS_WAIT_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import type { Access } from './access.ts';
import type { Backends } from './backends.ts';

/** @returns what ends it */
export function watchKeys(access: Access, backends: Pick<Backends, 'keyring'>, clock: Clock): () => void {
  let stopped = false;
  let failing = false;
  let cancel = (): void => {};
  const ask = async (): Promise<void> => {
    const keyring = await backends.keyring(API_KEYS_WAIT_MS);
    if (stopped) return;
    if (keyring !== undefined) access.know(keyring);
    else if (access.isKnown && !failing) log.warn('keys.not-read', { reason: 'no worker says them' });
    failing = keyring === undefined;
    cancel = clock.after(access.isKnown ? API_KEYS_EVERY_MS : API_KEYS_FIRST_MS, () => void ask());
  };
  void ask();
  return () => {
    stopped = true;
    cancel();
  };
}
