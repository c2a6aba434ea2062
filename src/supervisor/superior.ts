/**
 * The child's end of the channel to its supervisor: what it says, and what it asks and is answered.
 */
import { systemClock } from '../clock.ts';
import { MOVE_WAIT_MS } from '../limits.ts';
import type { FromChild, MoveOutcome, Superior, ToChild } from '../process.ts';
import { Asking } from './gathering.ts';

export class Channel implements Superior {
  private readonly asking: Asking;
  private readonly moves = new Map<number, (outcome: MoveOutcome | undefined) => void>();
  private lastMove = 0;

  constructor(name: string) {
    this.asking = new Asking(name, () => this.say({ type: 'gather' }));
  }

  readonly say = (message: FromChild): void => {
    process.send?.(message);
  };

  readonly gather = () => this.asking.gather();

  readonly move = (partition: number, worker: number): Promise<MoveOutcome | undefined> => {
    const id = ++this.lastMove;
    const { promise, resolve } = Promise.withResolvers<MoveOutcome | undefined>();
    const cancel = systemClock.after(MOVE_WAIT_MS, () => this.moved(id, undefined));
    this.moves.set(id, (outcome) => {
      cancel();
      resolve(outcome);
    });
    this.say({ type: 'move', id, partition, worker });
    return promise;
  };

  /** @returns whether the message was an answer to what was asked here */
  answered(message: ToChild): boolean {
    if (message.type === 'gathered') this.asking.answered(message.processes);
    else if (message.type === 'moved') this.moved(message.id, message.outcome);
    else return false;
    return true;
  }

  private moved(id: number, outcome: MoveOutcome | undefined): void {
    this.moves.get(id)?.(outcome);
    this.moves.delete(id);
  }
}
