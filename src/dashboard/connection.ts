/**
 * The stream of events, kept up: connected again with growing pauses whenever it breaks, or says nothing for
 * longer than a front would. Read by fetch, because an EventSource can't send an API key; the key is asked for
 * when the server wants one, and forgotten with the tab.
 */
import type { History, Live } from './live.ts';

const SILENCE_MS = 5000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 5000;
const KEY = 'holdfast-api-key';

export type State =
  | { kind: 'connecting' }
  /** `lostAt`: since when it had been lost, the first time that it is live again. */
  | { kind: 'live'; lostAt?: number }
  | { kind: 'lost'; since: number; reason: string }
  /** The server asks for a key; `refused`: another one than was given. */
  | { kind: 'key'; refused: boolean };

interface Listener {
  state(state: State): void;
  history(history: History): void;
  live(live: Live): void;
}

export class Connection {
  private lostAt: number | undefined;
  private retryMs = RETRY_MS_MIN;

  constructor(private readonly listener: Listener) {}

  /** Starts, and starts again where a key was missing. */
  async start(key?: string): Promise<void> {
    if (key !== undefined) sessionStorage.setItem(KEY, key);
    for (;;) {
      const reason = await this.read();
      if (reason === 'key') return;
      this.lostAt ??= Date.now();
      this.listener.state({ kind: 'lost', since: this.lostAt, reason });
      await new Promise((resume) => setTimeout(resume, this.retryMs));
      this.retryMs = Math.min(this.retryMs * 2, RETRY_MS_MAX);
    }
  }

  /** Reads until it ends. @returns why, or that a key is wanted */
  private async read(): Promise<string> {
    const silence = new AbortController();
    const listen = () => setTimeout(() => silence.abort(), SILENCE_MS);
    let timer = listen();
    try {
      const key = sessionStorage.getItem(KEY);
      const headers: HeadersInit = key === null ? {} : { authorization: `Bearer ${key}` };
      const response = await fetch('/dashboard/events', {
        headers,
        cache: 'no-store',
        signal: silence.signal,
      });
      if (response.status === 401 || response.status === 403) {
        this.listener.state({ kind: 'key', refused: key !== null });
        sessionStorage.removeItem(KEY);
        return 'key';
      }
      if (response.status === 503) return 'too many watch this front';
      if (!response.ok || response.body === null) return `the server answered ${response.status}`;
      let text = '';
      const decoder = new TextDecoder();
      for await (const chunk of chunksOf(response.body)) {
        clearTimeout(timer);
        timer = listen();
        text += decoder.decode(chunk, { stream: true });
        const messages = text.split('\n\n');
        text = messages.pop()!;
        for (const message of messages) this.hear(message);
      }
      return 'the server ended the connection';
    } catch {
      return silence.signal.aborted ? 'the server is silent' : 'the server does not answer';
    } finally {
      clearTimeout(timer);
    }
  }

  private hear(message: string): void {
    const fields = new Map(message.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]));
    const data = JSON.parse(fields.get('data') ?? '{}');
    if (fields.get('event') === 'history') return this.listener.history(data);
    this.retryMs = RETRY_MS_MIN;
    this.listener.state({ kind: 'live', lostAt: this.lostAt });
    this.lostAt = undefined;
    this.listener.live(data);
  }
}

/** Not every browser iterates over a stream by itself. */
async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
