/** Which of the types on offer a caller would rather have (RFC 9110, 12.5.1). */
const PARAMETER = /\s*;\s*/;
const QUALITY = /^q\s*=\s*([01](?:\.\d{0,3})?)$/i;

/** @returns the best of those acceptable, the earlier one of equals; undefined where none is */
export function preferred<T extends string>(accept: string | null, offered: readonly T[]): T | undefined {
  if (accept === null) return offered[0];
  const ranges = accept.split(',').map((range) => {
    const [type, ...parameters] = range.trim().toLowerCase().split(PARAMETER);
    const quality = parameters.map((parameter) => QUALITY.exec(parameter)?.[1]).find((q) => q !== undefined);
    return { type, quality: quality === undefined ? 1 : Number(quality) };
  });
  /** Of the ranges that a type is in, the narrowest one counts. */
  const qualityOf = (type: string): number =>
    [type, `${type.split('/')[0]}/*`, '*/*']
      .map((wanted) => ranges.find((range) => range.type === wanted)?.quality)
      .find((quality) => quality !== undefined) ?? 0;
  const best = Math.max(...offered.map(qualityOf));
  return best > 0 ? offered.find((type) => qualityOf(type) === best) : undefined;
}
