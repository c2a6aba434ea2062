/**
 * Who gets in. A front has all API keys in memory, so that a request waits for nothing and no database:
 *
 *   unknown ──first answer──▶ open ──a key is made──▶ closed
 *                └──there has ever been a key, or others can reach the front──▶ closed
 *
 * - unknown: the front has just been started. Nobody gets in, since it can't say who may.
 * - open: there has never been a key, and only this machine reaches the front. Nobody needs one.
 * - closed: who has no key gets in nowhere but to the documentation and the checks of a load balancer. Revoking the last
 *   key does not open anything: then nobody gets in until there is a new one.
 *
 * A worker that can't say the keys changes nothing: those known last stay in force.
 */
import { isSecret, parseApiKey } from '../access/api-key.ts';
import type { ApiKey, Keyring } from '../access/keyring.ts';
import { allowedBy, type Scope } from '../access/scopes.ts';
import type { Clock } from '../clock.ts';
import { BODY_BYTES_MAX } from '../limits.ts';
import { log } from '../observability/log.ts';
import { CLOSE } from './body.ts';
import type { Need } from './needs.ts';
import { problem } from './problems.ts';
import { RateLimit } from './rate-limit.ts';

/** Someone with a good key. */
export interface Caller {
  /** Of the key. */
  id: string;
  limit?: RateLimit;
}

export interface Admitted {
  caller?: Caller;
  /** The answer, where there is nothing more to do. */
  refusal?: Response;
}

interface Holder extends Caller {
  hash: Buffer;
  allowed: Set<Scope>;
  expiresAt: number;
}

/** A secret is compared for an unknown id, too: how long a refusal takes says nothing of ids. */
const NOBODY = Buffer.alloc(32);
const REALM = 'Bearer realm="holdfast"';

export class Access {
  private mode: 'unknown' | 'open' | 'closed' = 'unknown';
  private holders = new Map<string, Holder>();

  /** @param mayBeOpen whether only this machine reaches the front */
  constructor(
    private readonly mayBeOpen: boolean,
    private readonly fronts: number,
    private readonly clock: Clock,
  ) {}

  get isKnown(): boolean {
    return this.mode !== 'unknown';
  }

  /** From now on, these keys get in and no others. What is left of a rate stays as it is. */
  know({ everMade, keys }: Keyring): void {
    const before = this.holders;
    this.holders = new Map(keys.map((key) => [key.id, before.get(key.id) ?? this.holderOf(key)]));
    const added = keys.flatMap(({ id }) => (before.has(id) ? [] : [id]));
    const removed = [...before.keys()].filter((id) => !this.holders.has(id));
    if (this.isKnown && added.length + removed.length > 0)
      log.info('admin.keys-changed', { added, removed, usable: keys.length });
    this.mode = this.mayBeOpen && !everMade ? 'open' : 'closed';
  }

  /** @returns undefined where nobody needs a key */
  admit(request: Request, need: Need): Admitted | undefined {
    if (this.mode === 'open' || need === 'nothing') return undefined;
    if (this.mode === 'unknown') return { refusal: refuse(request, 'keys-unavailable') };
    const caller = this.callerOf(request, need);
    if (typeof caller === 'string') return { refusal: unauthorized(request, caller) };
    if (caller.limit?.take(this.clock.now()) === false)
      return { caller, refusal: rateLimited(request, caller.limit) };
    if (need !== 'any' && !caller.allowed.has(need)) return { caller, refusal: forbidden(request, need) };
    return { caller };
  }

  /** @returns why there is none, where there is none */
  private callerOf(request: Request, need: Need): Holder | string {
    const authorization = request.headers.get('authorization');
    if (authorization === null) return 'Send an API key, as `Authorization: Bearer hf_…`.';
    const sent = parseApiKey(tokenOf(authorization, need === 'admin' && isPage(request)));
    if (sent === undefined) return 'What Authorization has is not an API key, as in `Bearer hf_…`.';
    const holder = this.holders.get(sent.id);
    if (!isSecret(sent.secret, holder?.hash ?? NOBODY) || holder === undefined)
      return 'This API key is not known here, or it was revoked.';
    return holder.expiresAt > this.clock.now() ? holder : 'This API key has expired.';
  }

  private holderOf({ id, hash, scopes, rate, expiresAt = Number.POSITIVE_INFINITY }: ApiKey): Holder {
    return {
      id,
      hash: Buffer.from(hash, 'hex'),
      allowed: allowedBy(scopes),
      expiresAt,
      limit: rate && new RateLimit(rate, this.fronts, this.clock.now()),
    };
  }
}

const BEARER = /^Bearer +/i;
const BASIC = /^Basic +/i;

/**
 * @param basic also as the password of HTTP's basic authentication, whatever the user: what a browser can ask a person for.
 *   Only for a page that changes nothing, as browsers send such a password along without being asked.
 */
function tokenOf(authorization: string, basic: boolean): string {
  if (BEARER.test(authorization)) return authorization.replace(BEARER, '').trim();
  if (!basic || !BASIC.test(authorization)) return '';
  const [, password = ''] = decoded(authorization.replace(BASIC, '').trim()).split(':');
  return password;
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString('latin1');
}

function isPage({ method, url }: Request): boolean {
  return (method === 'GET' || method === 'HEAD') && /^\/dashboard(\/|$)/.test(new URL(url).pathname);
}

function unauthorized(request: Request, detail: string): Response {
  const failed = request.headers.has('authorization') ? `${REALM}, error="invalid_token"` : REALM;
  const challenge = isPage(request) ? `${failed}, Basic realm="holdfast"` : failed;
  return refuse(request, 'unauthorized', { detail, headers: { 'www-authenticate': challenge } });
}

function forbidden(request: Request, scope: Scope): Response {
  return refuse(request, 'forbidden', {
    detail: `This call needs a key with the scope \`${scope}\`.`,
    headers: { 'www-authenticate': `${REALM}, error="insufficient_scope", scope="${scope}"` },
  });
}

function rateLimited(request: Request, limit: RateLimit): Response {
  const seconds = limit.retryAfter();
  return refuse(request, 'rate-limited', {
    detail: `This key has used up its rate; the next request has room in ${seconds} s.`,
    headers: { 'retry-after': String(seconds) },
  });
}

/** Its body is not read. A small one is there anyway; one that may be long must not go on arriving. */
function refuse(request: Request, ...[code, parts]: Parameters<typeof problem>): Response {
  const { headers } = request;
  const isLong =
    headers.has('transfer-encoding') || Number(headers.get('content-length') ?? 0) > BODY_BYTES_MAX;
  return problem(code, isLong ? { ...parts, headers: { ...CLOSE, ...parts?.headers } } : parts);
}
