/**
 * Becoming the owner of partitions: afterwards no commit of an earlier owner of any of them can succeed (invariant I4).
 *
 * An owner is a row, `owner(epoch, commit_seq)`, which each of its commits compares and advances; a partition names its owner's
 * epoch, or 0 where nobody owns it. There are two ways to another owner:
 *
 * - Politely: the owner gives the partition up by a commit of its own, the last one that has anything of it
 *   (`releases` in commit-batch.ts), and goes on with its others. Being a commit, it happens once, in its place behind those
 *   before it, and only while the owner is one: a copy of it that arrives late finds its `commit_seq` used.
 * - By force: whoever takes a partition that has an owner deletes that owner's row. This waits for a commit that is under way, and
 *   those that follow find no row; so the former owner loses all that it had, and ends when it learns of it.
 *
 * Taking is the same for both: it fences whoever is still named, if anyone is. The new owner is a new row, or, for one that
 * lives, its own, which must still be there: one that was fenced joins nothing. Whatever dies in between leaves
 * a partition with one owner or none:
 *
 * - The giver dies before its last commit landed: it is still named, and whoever takes fences its row. After it: nobody is.
 * - The taker dies before the transaction ends: as if it had not begun. After it: it is named, and fenced by the next.
 * - Both take at once, because whoever tells them has lost track: they queue for the partition's row, the later one
 *   fences the earlier one, which ends.
 *
 * An owner that has given everything up still has its row, so that it may be given something again. The row goes with the
 * worker that ends; one that was killed leaves it to the next start of a server. To delete a row is never unsafe: the
 * number is not used again, and a commit that comes late finds no row.
 */
import { Fenced, type Sql } from './database.ts';

/**
 * @param joining the epoch of a living owner, which gets the partitions in addition to what it has
 * @returns the epoch of the owner: one that has made no commit yet, unless it is `joining`
 * @throws Fenced where the owner that they were for lives no more
 */
export async function takePartitions(sql: Sql, partitions: number[], joining?: number): Promise<number> {
  return await sql.begin(async (transaction) => {
    const listed = arrayLiteral(partitions);
    const before = await transaction<{ epoch: number }[]>`
      select epoch from holdfast.partition where partition = any(${listed}::smallint[])
       order by partition for update`;
    const owners = new Set(before.map(({ epoch }) => epoch));
    owners.delete(joining ?? 0);
    // Waits for a commit that is under way; those that follow it find no row.
    await transaction`delete from holdfast.owner where epoch = any(${arrayLiteral([...owners])}::bigint[])`;
    // Its own commits go on meanwhile: this lock keeps the row from being deleted, not from being changed.
    const [owner] =
      joining === undefined
        ? await transaction<{ epoch: number }[]>`
            insert into holdfast.owner (epoch) values (nextval('holdfast.epoch')) returning epoch`
        : await transaction<{ epoch: number }[]>`
            select epoch from holdfast.owner where epoch = ${joining} for key share`;
    if (owner === undefined) throw new Fenced();
    await transaction`
      update holdfast.partition set epoch = ${owner.epoch} where partition = any(${listed}::smallint[])`;
    return owner.epoch;
  });
}

/** How many commits this owner has made, or undefined when another has taken its place. */
export async function readCommitSeq(sql: Sql, epoch: number): Promise<number | undefined> {
  const [owner] = await sql<{ commitSeq: number }[]>`
    select commit_seq as "commitSeq" from holdfast.owner where epoch = ${epoch}`;
  return owner?.commitSeq;
}

/** Forgets an owner, unless it has something: then whoever takes that forgets it. */
export async function forgetOwner(sql: Sql, epoch: number): Promise<void> {
  await sql`
    delete from holdfast.owner o where epoch = ${epoch}
       and not exists (select from holdfast.partition p where p.epoch = o.epoch)`;
}

/** Forgets all owners that have nothing. Not while workers run: theirs would be fenced. */
export async function forgetIdleOwners(sql: Sql): Promise<void> {
  await sql`
    delete from holdfast.owner o where not exists (select from holdfast.partition p where p.epoch = o.epoch)`;
}

export function arrayLiteral(values: readonly (number | string)[]): string {
  return `{${values.join(',')}}`;
}
