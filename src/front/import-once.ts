/**
 * An import with an Idempotency-Key. What was sent is known only when all of it has been read, so the key is claimed for any
 * file; the fingerprint of the bytes is sealed with what became of them when every line has its result. A repetition
 * is read to its end, and then given that result if its bytes are the same.
 *
 * An import that did not come that far (an upload that broke off, a partition that did not answer, a front that
 * died) leaves the key free: sent again with it, the whole file is read, and what is there already costs no write. One that
 * did is sealed however long that takes, up to BULK_RETRY_MS: until then a repetition would count again.
 */
import { BODY_DEADLINE_MS, BULK_RETRY_MS } from '../limits.ts';
import type { ImportSummary } from '../wire/import-summary.ts';
import { problemFrom } from './answers.ts';
import { CLOSE } from './body.ts';
import type { FrontContext } from './context.ts';
import type { Place } from './gate.ts';
import { keyOf } from './idempotency.ts';
import type { ImportSender } from './import-sender.ts';
import { LongClaim } from './long-claim.ts';
import { problem } from './problems.ts';
import { ok } from './render.ts';
import type { Upload } from './upload.ts';

/** What became of the lines of a file. */
export type Imported = Pick<ImportSender, 'accepted' | 'unchanged' | 'rejected' | 'errors' | 'incomplete'>;

export function rendered({ accepted, unchanged, rejected, errors }: Omit<Imported, 'incomplete'>): Response {
  return ok(JSON.stringify({ accepted, unchanged, rejected, errors }));
}

interface KeyedUpload {
  key: string;
  /** Its media type. */
  type: string;
  upload: Upload;
  /** Among the bulk calls. */
  place: Place;
  /** Aborted when its client has gone. */
  gone: AbortSignal;
}

export async function importOnce(
  context: FrontContext,
  { key: text, type, upload, place, gone }: KeyedUpload,
  run: () => Promise<Imported | Response>,
): Promise<Response> {
  const key = keyOf(text, 'POST /v1/stock/import', type, context.backends.partitions);
  const claim = await LongClaim.take(context, key, place, gone);
  if (claim instanceof Response) return closing(claim);
  let used = false;
  try {
    // Asked whatever the claim says: a claim may be lost and what was sealed is not.
    const before = await claim.recall();
    if (before?.kind === 'sealed') return await repeated(upload, before.summary!);
    if (before !== undefined) return closing(problemFrom(before, 'reads'));
    const outcome = await run();
    if (outcome instanceof Response) return outcome;
    if (outcome.incomplete) return rendered(outcome);
    used = true;
    const { incomplete: _, ...counts } = outcome;
    const digest = upload.digest();
    const sealed = await claim.sealWithin(BULK_RETRY_MS, { digest, ...counts });
    if (sealed.kind !== 'sealed') return problem('outcome-unknown');
    // Where the claim was lost, another import with the key may have been sealed first.
    return key.replayed ? compared(digest, sealed.summary!) : rendered(sealed.summary!);
  } finally {
    await claim.release(used);
  }
}

async function repeated(upload: Upload, summary: ImportSummary): Promise<Response> {
  if ((await upload.skip()) === 'complete') return compared(upload.digest(), summary);
  const detail = `Nothing arrived for ${BODY_DEADLINE_MS / 1000} seconds. Nothing was changed.`;
  return problem('request-timeout', { detail, headers: CLOSE });
}

function compared(digest: string, summary: ImportSummary): Response {
  if (digest !== summary.digest) return problem('idempotency-key-reused');
  const response = rendered(summary);
  response.headers.set('idempotency-replayed', 'true');
  return response;
}

/** The file will not be read. */
function closing(response: Response): Response {
  response.headers.set('connection', 'close');
  return response;
}
