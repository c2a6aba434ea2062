/**
 * The pauses between attempts at what was refused, or not answered, and may be asked for again. They grow, and half of each
 * is drawn at random: what was refused together does not come back together.
 */
import type { FrontContext } from './context.ts';

const PAUSE_MS_MIN = 100;
export const PAUSE_MS_MAX = 500;

export class Pauses {
  private ms = PAUSE_MS_MIN;
  private readonly endAt: number;

  /** @param gone whether nobody waits for it any more */
  constructor(
    private readonly context: Pick<FrontContext, 'clock' | 'random'>,
    forMs: number,
    private readonly gone?: AbortSignal,
  ) {
    this.endAt = context.clock.now() + forMs;
  }

  /** Resolves when the next attempt is due: to true; or to false where it is not worth while any more. */
  async next(): Promise<boolean> {
    const { clock, random } = this.context;
    const ms = (this.ms * (1 + random())) / 2;
    this.ms = Math.min(this.ms * 2, PAUSE_MS_MAX);
    if (this.gone?.aborted || clock.now() + ms >= this.endAt) return false;
    await new Promise<void>((resolve) => clock.after(ms, resolve));
    return !this.gone?.aborted;
  }
}
