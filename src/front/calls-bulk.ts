/** What /swagger says of imports, exports and batches. */
import {
  BATCH_BODY_BYTES_MAX,
  BATCH_RESERVATIONS_MAX,
  BODY_DEADLINE_MS,
  IMPORT_LINE_BYTES_MAX,
} from '../limits.ts';
import { problemOf } from '../reservations/outcomes.ts';
import { level, reservation } from './calls.ts';
import { describe } from './describe.ts';

const CSV = 'sku,location,onHand,safetyStock,backorderLimit\r\nMUG-BLUE,berlin,40,2,0\r\n';
const row = { sku: 'MUG-BLUE', location: 'berlin', onHand: 40 };
const wish = { lines: [{ sku: 'MUG-BLUE', quantity: 1 }] };
const { status, title } = problemOf('insufficient-stock');

function lines(...values: unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

export const bulkCalls = {
  importStock: describe({
    id: 'importStock',
    tag: 'Stock',
    summary: 'Set what a count found, for any number of levels',
    keyed: true,
    description: `Each line does what PUT /v1/stock/{sku}/{location} does; of two lines for the same level the later one wins. The file is read as it arrives and may have any size; a line may have ${IMPORT_LINE_BYTES_MAX} bytes. A bad line is rejected, named in \`errors\`, and does not stop the others; empty lines are passed over. An upload may break off, or pause for more than ${BODY_DEADLINE_MS / 1000} seconds, and be sent again: levels that are already as they should be cost no write. It then sets these counts again: without an Idempotency-Key, do not repeat it once their stock has been sold from. With one, a file whose every line got its result is read again, compared byte by byte, and answered as the first time. Any other has left the key free: one that was not read to its end, and one of whose lines some were rejected because their partition did not answer (\`partition-unavailable\`, \`overloaded\` or \`outcome-unknown\` in \`errors\`, in an answer with 200), which is to be sent again, and then sets all of its counts again.`,
    body: {
      required: true,
      texts: {
        'text/csv': {
          description:
            'RFC 4180, UTF-8. The first line names the columns, in any order: `sku`, `location`, `onHand`, and perhaps `safetyStock` and `backorderLimit`. An empty optional field leaves as it is what it stands for. A field cannot have a line break. `onHand` may be below zero, as backorders that were sold leave it, in a line that says its `backorderLimit`; the lines of an export do.',
          example: CSV,
        },
        'application/x-ndjson': {
          description: 'A JSON object a line, with the fields of the CSV.',
          example: lines(row, { ...row, location: 'hamburg', safetyStock: 2 }),
        },
      },
    },
    success: {
      200: {
        description:
          'Every line was read. What was accepted is durable. Rejected lines whose code is that of a 503 may have been set or not.',
        schema: 'ImportResult',
        example: {
          accepted: 1,
          unchanged: 1,
          rejected: 1,
          errors: [
            {
              line: 3,
              code: 'out-of-range',
              detail: 'onHand must be an integer from 0 to 2147483647, not -1.',
            },
          ],
        },
      },
    },
    problems: ['overloaded', 'partition-unavailable', 'outcome-unknown'],
  }),
  exportStock: describe({
    id: 'exportStock',
    tag: 'Stock',
    summary: 'Every stock level',
    description:
      'As `Accept` says: `application/x-ndjson`, which is the default, or `text/csv`. In no particular order. Each level shows at least what every 2xx sent before has said; different levels may be from different moments. If it cannot be finished the connection breaks, so that a part is not taken for the whole. A SKU named `export` can be read by POST /v1/stock/query.',
    success: {
      200: {
        description: 'The levels.',
        texts: {
          'application/x-ndjson': { description: 'A StockLevel a line.', example: lines(level) },
          'text/csv': {
            description: 'The columns of an import, so that it can be imported again.',
            example: CSV,
          },
        },
      },
    },
    problems: ['not-acceptable', 'overloaded', 'partition-unavailable'],
  }),
  reserveBatch: describe({
    id: 'reserveBatch',
    tag: 'Reservations',
    summary: 'Hold stock for many orders at once',
    keyed: true,
    description: `Up to ${BATCH_RESERVATIONS_MAX} independent reservations, each as for POST /v1/reservations, in ${BATCH_BODY_BYTES_MAX} bytes. With an Idempotency-Key each that has none of its own gets one that is made from it; where it is sent again before all had been decided for good, the rest is decided; \`replayed\` marks what is answered again. The payload that the key stands for is the reservations, however they are written; where one of them is invalid, the text as it was sent. The answer is 200 whatever becomes of each; it is sent while they are decided.`,
    body: {
      required: true,
      schema: 'Batch',
      examples: { two: [{ ...wish, reference: 'order-1001' }, wish] },
      texts: {
        'application/x-ndjson': {
          description: 'A BatchReservation a line; empty lines are passed over.',
          example: lines({ ...wish, reference: 'order-1001' }, wish),
        },
      },
    },
    success: {
      200: {
        description: 'One result for each, in the order asked.',
        schema: 'BatchResult',
        example: {
          results: [
            { status: 201, reservation },
            {
              status,
              problem: {
                type: '/problems/insufficient-stock',
                title,
                status,
                detail: 'Nothing was held. Line 0: 1 of SKU "MUG-BLUE" requested, 0 available.',
                code: 'insufficient-stock',
                errors: [
                  {
                    line: 0,
                    sku: 'MUG-BLUE',
                    code: 'insufficient-stock',
                    requested: 1,
                    available: 0,
                    detail: '1 of SKU "MUG-BLUE" requested, 0 available.',
                  },
                ],
              },
            },
          ],
        },
      },
    },
    problems: ['overloaded', 'partition-unavailable', 'outcome-unknown'],
  }),
};
