/** What /swagger says of the calls under /admin. */
import { describe, pathParameter } from './describe.ts';
import { PartitionNumber } from './schemas.ts';

const partition = pathParameter('partition', PartitionNumber, '0');

export const adminCalls = {
  partitions: describe({
    id: 'listPartitions',
    tag: 'Operation',
    summary: 'Which worker owns which partition',
    description: 'And what each partition holds and has committed.',
    success: {
      200: {
        description: 'One entry for each partition, in order.',
        schema: 'PartitionTable',
        example: {
          mapVersion: 1,
          partitions: [
            {
              partition: 0,
              worker: 0,
              state: 'serving',
              epoch: 3,
              levels: 40,
              held: 12,
              mailboxDepth: 0,
              commitSeq: 5021,
              commands: 260_318,
            },
          ],
        },
      },
    },
  }),
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
