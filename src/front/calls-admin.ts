/** What /swagger says of the calls that change how the server runs; the others are in calls.ts. */
import { describe, pathParameter } from './describe.ts';
import { PartitionNumber } from './schemas.ts';

const partition = pathParameter('partition', PartitionNumber, '0');

export const adminCalls = {
  movePartition: describe({
    id: 'movePartition',
    tag: 'Operation',
    summary: 'Move a partition to another worker',
    description:
      'While it is in use: requests that meet the partition on its way wait for it. Answered when the worker serves it. A move lasts until the server stops.',
    parameters: [partition],
    body: { required: true, schema: 'Move', examples: { 'to the second worker': { worker: 1 } } },
    success: {
      200: {
        description: 'It is there; `moved` says whether it was before.',
        schema: 'MovedPartition',
        example: {
          mapVersion: 2,
          moved: true,
          partition: 0,
          worker: 1,
          state: 'serving',
          epoch: 4,
          levels: 40,
          held: 12,
          mailboxDepth: 0,
          commitSeq: 310,
        },
      },
    },
    problems: ['unknown-partition', 'move-refused', 'outcome-unknown'],
  }),
};
