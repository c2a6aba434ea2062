/**
 * The API keys, read from the database whenever a front asks. Over a connection of its own: that a key is revoked
 * must not have to wait behind somebody's search.
 */
import { API_KEYS_WAIT_MS } from '../limits.ts';
import { log } from '../observability/log.ts';
import { loadKeyring } from '../storage/api-keys.ts';
import { Connections, failureText, type Sql } from '../storage/database.ts';
import type { Answer } from '../wire/link.ts';
import type { Reply } from '../wire/messages.ts';

export class ApiKeys {
  private readonly connections: Connections;
  /** So that a database that is away is said once. */
  private failing = false;

  constructor(open: () => Sql) {
    this.connections = new Connections(open);
  }

  receive(answer: Answer): void {
    void this.read().then(answer);
  }

  close(): Promise<void> {
    return this.connections.close();
  }

  private async read(): Promise<Reply> {
    try {
      const keyring = await this.connections.use(loadKeyring, API_KEYS_WAIT_MS);
      this.failing = false;
      return { kind: 'api-keys', keyring };
    } catch (error) {
      if (!this.failing) log.warn('keys.not-read', { reason: failureText(error) });
      this.failing = true;
      return { kind: 'problem', code: 'partition-unavailable' };
    }
  }
}
