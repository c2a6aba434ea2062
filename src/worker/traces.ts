/**
 * What a worker adds to the traces of its callers: a span for each command, from its arrival to its answer, in which
 * an event marks the decision; and beneath it one for the commit that it waited for. A commit has many commands:
 * each traced one gets a span of it.
 */
import { TRACED_COMMITS_PER_SECOND } from '../limits.ts';
import { type Attributes, type Span, startSpan } from '../observability/spans.ts';
import { type TraceContext, traceparentOf } from '../observability/trace-context.ts';
import type { Answer } from '../wire/link.ts';
import type { Request } from '../wire/messages.ts';
import type { CallerCommand } from './partition.ts';
import type { OwnCommand } from './state.ts';

/** Begins the command's span; what is beneath it finds it in the request. @returns what ends it with the answer */
export function follow(request: Exclude<Request, { kind: 'status' }>, answer: Answer): Answer {
  const attributes: Attributes = {};
  if ('partition' in request) attributes['holdfast.partition'] = request.partition;
  const span = startSpan(request.kind, 'server', request.trace, attributes);
  if (span === undefined) return answer;
  request.trace = span;
  return (reply) => {
    span.end({ 'holdfast.reply': reply.kind === 'problem' ? reply.code : reply.kind });
    answer(reply);
  };
}

/** The trace that a command is part of. */
export function traceOf(command: CallerCommand | OwnCommand): TraceContext | undefined {
  if (command.kind === 'rehold') return command.request.trace;
  return 'trace' in command ? command.trace : undefined;
}

/** Which commits name a trace in their statement. Each is planned anew, and whoever sends traces must not slow everybody. */
export class TracedCommits {
  private since = Number.NEGATIVE_INFINITY;
  private count = 0;

  /** Counts a commit that could. @returns whether it may */
  may(now: number): boolean {
    // Also where the clock was set back.
    if (Math.abs(now - this.since) >= 1000) {
      this.since = now;
      this.count = 0;
    }
    return ++this.count <= TRACED_COMMITS_PER_SECOND;
  }
}

/** The traces that a batch is part of. */
export class BatchTraces {
  private readonly commands: TraceContext[] = [];
  private commits: Span[] = [];

  decided(command: TraceContext): void {
    this.commands.push(command);
    if ('event' in command) (command as Span).event('decided');
  }

  /** The commit is sent. @returns the `traceparent` of its statement: one command's, since it can have but one */
  sent(rows: number, commitSeq: number): string {
    const attributes = {
      'db.system.name': 'postgresql',
      'holdfast.batch.rows': rows,
      'holdfast.commit_seq': commitSeq,
    };
    this.commits = this.commands.flatMap(
      (command) => startSpan('commit', 'client', command, attributes) ?? [],
    );
    return traceparentOf(this.commits[0] ?? this.commands[0]);
  }

  landed(): void {
    for (const commit of this.commits) commit.end();
  }
}
