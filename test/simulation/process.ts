/**
 * A process in the simulated world: it can be killed between any two of its effects, and stopped and continued
 * (SIGSTOP, SIGCONT).
 *
 * A killed process goes on computing for as long as its turn lasts, to no effect: whatever it does to the world asks
 * `acts` first, and whatever comes from the world comes through `deliver`. So its promises never resolve, and nothing of
 * it remains.
 */
import type { Clock } from '../../src/clock.ts';
import type { World } from './world.ts';

/** How long a turn of a process's event loop lasts at most, in microseconds. */
const TURN_US = 100;

export class Process {
  alive = true;
  /** In microseconds. */
  diedAt: number | undefined;
  stopped = false;
  /** Since when it has been running without a pause, and when it last stopped, in microseconds. */
  runningSince: number;
  private stoppedAt = 0;
  readonly clock: Clock;
  private waiting: (() => void)[] = [];
  private readonly atDeath: (() => void)[] = [];
  /** What happens to it in the middle of what it does: right before its n-th effect from now. */
  private interruption: { effect: number; run(): void } | undefined;
  private lastTurn = 0;

  constructor(
    readonly world: World,
    readonly name: string,
  ) {
    const random = world.random.fork(name);
    this.runningSince = world.now;
    this.clock = {
      now: () => world.wallMs(),
      after: (ms, run) => {
        let cancelled = false;
        const cancel = world.after(ms * 1000, () =>
          this.deliver(() => {
            if (!cancelled) run();
          }),
        );
        return () => {
          cancelled = true;
          cancel();
        };
      },
      // In the order in which they were asked for, like immediates.
      soon: (run) => {
        this.lastTurn = Math.max(this.lastTurn, world.now + random.between(0, TURN_US));
        world.at(this.lastTurn, () => this.deliver(run));
      },
    };
  }

  /** Something from outside reaches it, now or when it is continued. */
  deliver(run: () => void): void {
    if (!this.alive) return;
    if (this.stopped) this.waiting.push(run);
    else run();
  }

  /** Asked before each effect; a dead process has none. */
  acts(): boolean {
    if (!this.alive) return false;
    if (this.interruption !== undefined && --this.interruption.effect === 0) this.interruption.run();
    return this.alive;
  }

  /** When it last computed anything, in microseconds; without end while it runs. */
  get ranUntil(): number {
    if (this.stopped) return this.stoppedAt;
    return this.diedAt ?? Number.POSITIVE_INFINITY;
  }

  onDeath(run: () => void): void {
    this.atDeath.push(run);
  }

  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    this.diedAt = this.world.now;
    this.waiting = [];
    this.world.note(this.name, 'dies');
    for (const run of this.atDeath) run();
  }

  /** Interrupts it in the middle of what it will do: right before its n-th effect from now. */
  before(effect: number, run: () => void): void {
    this.interruption = { effect, run };
  }
  spare(): void {
    this.interruption = undefined;
  }

  /** What it is doing it does to its end: its turn is over before anything else is seen of it. */
  stop(): void {
    if (!this.alive) return;
    this.stopped = true;
    this.stoppedAt = this.world.now;
    this.world.note(this.name, 'stops');
  }

  continue(): void {
    if (!this.alive || !this.stopped) return;
    this.stopped = false;
    this.runningSince = this.world.now;
    this.world.note(this.name, 'continues');
    const { waiting } = this;
    this.waiting = [];
    for (const run of waiting) this.world.after(0, () => this.deliver(run));
  }
}
