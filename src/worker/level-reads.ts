/**
 * Reads of levels. They are not queued: they see everything that has been decided, and their answer waits until that is
 * durable, so that nobody is ever told what a crash could undo.
 *
 * While the database is away nothing becomes durable, and a read would wait for as long. It then sees what the database has:
 * memory without what is on its way there. Such an answer has an age, since another owner may have gone on meanwhile.
 */
import type { StockLevel } from '../reservations/types.ts';
import type { Answer } from '../wire/link.ts';
import type { GetLevelsRequest } from '../wire/messages.ts';
import type { Lane } from './lane.ts';
import type { Partition } from './partition.ts';

interface Waiting {
  partition: Partition;
  request: GetLevelsRequest;
  answer: Answer;
}

export class LevelReads {
  private readonly waiting = new Set<Waiting>();

  constructor(
    private readonly laneOf: (partition: number) => Lane,
    /** Seconds since the database was heard of, while it takes no commits of a partition; else undefined. */
    private readonly ageOf: (partition: number) => number | undefined,
  ) {}

  read(partition: Partition, request: GetLevelsRequest, answer: Answer): void {
    const age = this.ageOf(partition.partition);
    if (age !== undefined) return this.answerCommitted({ partition, request, answer }, age);
    const { snapshot } = partition;
    const levels = snapshot.levelsOfSku(snapshot.findSku(request.sku)).map((level) => snapshot.read(level));
    const waiting = { partition, request, answer };
    this.waiting.add(waiting);
    partition.whenDurable(() => {
      if (this.waiting.delete(waiting)) tell(answer, levels);
    });
  }

  /** Called as time passes: those who wait for a database that is away are answered. */
  wake(): void {
    for (const waiting of this.waiting) {
      const age = this.ageOf(waiting.partition.partition);
      if (age !== undefined && this.waiting.delete(waiting)) this.answerCommitted(waiting, age);
    }
  }

  private answerCommitted({ partition, request, answer }: Waiting, age: number): void {
    const { snapshot } = partition;
    const lane = this.laneOf(partition.partition);
    const numbers = snapshot.levelsOfSku(snapshot.findSku(request.sku));
    const levels = numbers.map((level) => lane.committed(partition, level));
    tell(
      answer,
      levels.filter((level) => level !== undefined),
      age,
    );
  }
}

/** A SKU without levels is one that nobody knows. */
function tell(answer: Answer, levels: StockLevel[], age?: number): void {
  if (levels.length === 0) answer({ kind: 'problem', code: 'unknown-sku' });
  else answer({ kind: 'levels', levels, age });
}
