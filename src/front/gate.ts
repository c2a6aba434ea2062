/** Lets only so much through at once: the rest is refused, or waits for its turn in the order of its coming. */
export class Gate {
  private readonly waiting: { size: number; enter: () => void }[] = [];

  constructor(private room: number) {}

  /** @returns false where there is no room */
  tryEnter(size: number): boolean {
    if (this.waiting.length > 0 || size > this.room) return false;
    this.room -= size;
    return true;
  }

  /** Resolves when there is room, which it then takes; `size` must not be more than there ever is. */
  enter(size: number): Promise<void> {
    if (this.tryEnter(size)) return Promise.resolve();
    return new Promise((enter) => this.waiting.push({ size, enter }));
  }

  leave(size: number): void {
    this.room += size;
    while (this.waiting.length > 0 && this.waiting[0].size <= this.room) {
      const { size: taken, enter } = this.waiting.shift()!;
      this.room -= taken;
      enter();
    }
  }
}

/** Room for one in a gate, which may be left and taken again; leaving twice is leaving once. */
export class Place {
  private isTaken = false;

  constructor(private readonly gate: Gate) {}

  /** @returns false where there is no room */
  tryEnter(): boolean {
    this.isTaken ||= this.gate.tryEnter(1);
    return this.isTaken;
  }

  leave(): void {
    if (this.isTaken) this.gate.leave(1);
    this.isTaken = false;
  }
}
