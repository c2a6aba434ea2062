/** Is what was answered about levels true? Counts, adjustments and reads, each against the history of its SKU. */
import type { Exchange } from './answers.ts';
import { type Books, insist } from './books.ts';
import type { Call, Level } from './calls.ts';
import { roomOf, type SkuHistory, type Version } from './histories.ts';
import type { Linearizability } from './linearizability.ts';

type CallOf<K extends Call['kind']> = Extract<Call, { kind: K }>;

export class StockAnswers {
  constructor(
    private readonly books: Books,
    private readonly order: Linearizability,
  ) {}

  /** A count or an adjustment was answered with the level as it then was. */
  checkLevel({ call, answer, from }: Exchange, level: Level): void {
    const { sku, location, version } = level;
    const levels = this.books.skus.get(sku)?.levels;
    const versions = levels?.find((one) => one.location === location)?.versions ?? [];
    const state = versions[version - 1];
    const said = (): string => `${call.kind} ${JSON.stringify(call)} was answered ${JSON.stringify(level)}`;
    insist(state !== undefined, () => `I2: ${said()}, which is not committed`);
    insist(isLike(level, state), () => `${said()}; version ${version} is ${JSON.stringify(state)}`);
    const isNew = state.at >= from;
    insist(answer.status === 200 || (version === 1 && isNew), () => `${said()} as if it had made it`);
    if (call.kind === 'adjust') {
      insist(state.kind === 'adjusted' && isNew, () => `${said()}, which was ${state.kind}`);
      return this.order.saw(sku, location, version, from, true);
    }
    const { body, ifVersion } = call as CallOf<'put'>;
    insist(
      Object.entries(body).every(([field, value]) => level[field as 'onHand'] === value),
      () => `${said()}, and asked for ${JSON.stringify(body)}`,
    );
    const wasCounted = isNew && state.kind === 'counted';
    const expected =
      ifVersion === undefined || ifVersion === version || (wasCounted && ifVersion === version - 1);
    insist(expected, () => `${said()}, and was to have version ${ifVersion}`);
    this.checkCurrent(sku, location, version, from, said);
    this.order.saw(sku, location, version, from, false);
  }

  private checkCurrent(
    sku: string,
    location: string,
    version: number,
    from: number,
    said: () => string,
  ): void {
    const isRight = (step: number): boolean => this.versionAt(sku, location, step) === version;
    insist(this.order.sometime(sku, from, isRight), () => `${said()}, which was over when it was asked`);
  }

  /** 0 where there was none. */
  private versionAt(sku: string, location: string, step: number): number {
    const history = this.books.skus.get(sku);
    const index = history?.levels.findIndex((level) => level.location === location) ?? -1;
    return step < 0 || index < 0 ? 0 : (history!.steps[step].versions[index] ?? 0);
  }

  /** One with an Age may leave out commits that landed and that nobody has been told of: never one that was answered. */
  checkRead({ answer, from }: Exchange, levels: Level[]): void {
    const [{ sku }] = levels;
    const history = this.books.skus.get(sku);
    insist(history !== undefined, () => `I2: the levels of ${sku} were read, and none is committed`);
    insist(
      this.order.sometime(sku, answer.aged ? 0 : from, (step) => step >= 0 && wasSo(history!, step, levels)),
      () => `the levels of ${sku} were never ${JSON.stringify(levels)} meanwhile`,
    );
    for (const { location, version } of levels) this.order.saw(sku, location, version, from, false);
  }

  /** A count was refused because the level had another version. */
  checkMismatch({ call, from }: Exchange): void {
    const { sku, location, ifVersion } = call as CallOf<'put'>;
    const isRight = (step: number): boolean => this.versionAt(sku, location, step) !== ifVersion;
    insist(
      ifVersion !== undefined && this.order.sometime(sku, from, isRight),
      () => `${sku} at ${location} had version ${ifVersion}, and a count was refused because it had not`,
    );
  }

  checkNotStocked(sku: string, from: number): void {
    insist(
      this.order.sometime(sku, from, (step) => step < 0),
      () => `${sku} was stocked, and answered as unknown`,
    );
  }

  checkNotAdjusted({ sku, location, body }: CallOf<'adjust'>, code: string, from: number): void {
    const history = this.books.skus.get(sku)!;
    const isRight = (step: number): boolean => {
      const version = this.versionAt(sku, location, step);
      if (code === 'unknown-level') return version === 0;
      const level = history.levels.find((one) => one.location === location)!;
      return version > 0 && level.versions[version - 1].onHand + body.delta < 0;
    };
    insist(
      this.order.sometime(sku, from, isRight),
      () => `${sku} at ${location} by ${body.delta} was answered ${code}`,
    );
  }
}

/** What was answered is what that version is; what a batch hides of it is not compared. */
function isLike(
  { onHand, reserved, safetyStock, backorderLimit, available }: Level,
  version: Version,
): boolean {
  const { settings } = version;
  const hasSettings =
    settings === undefined ||
    (settings.safetyStock === safetyStock && settings.backorderLimit === backorderLimit);
  return (
    version.onHand === onHand &&
    version.reserved === reserved &&
    hasSettings &&
    available === onHand - reserved + roomOf({ safetyStock, backorderLimit })
  );
}

/** All levels of the SKU at once, after this step. */
function wasSo(history: SkuHistory, step: number, said: Level[]): boolean {
  const { versions } = history.steps[step];
  return (
    versions.length === said.length &&
    versions.every((version, i) => {
      const { location, versions: known } = history.levels[i];
      return (
        location === said[i].location && version === said[i].version && isLike(said[i], known[version - 1])
      );
    })
  );
}
