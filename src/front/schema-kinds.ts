/**
 * Two kinds of JSON value that plain JSON Schema, as OpenAPI 3.0 has it, cannot both check and
 * publish: text limited in UTF-8 bytes, and a choice of words. Registered with TypeBox, so that they
 * are part of the compiled checks.
 */
import { Kind, type TSchema, Type, TypeRegistry } from '@sinclair/typebox';

/** A published pattern that is weaker than `isText`: bytes and broken surrogates are beyond it. */
const NO_CONTROL_CHARACTERS = '^[^\\u0000-\\u001f\\u007f-\\u009f]+$';

/** Text of 1 to `bytesMax` bytes of UTF-8 without control characters. */
export function text(bytesMax: number, options: { description: string }) {
  return Type.Unsafe<string>({
    [Kind]: 'Text',
    type: 'string',
    minLength: 1,
    maxLength: bytesMax,
    pattern: NO_CONTROL_CHARACTERS,
    ...options,
  });
}

/** One of these words. */
export function choice<Word extends string>(
  words: readonly Word[],
  options: { description: string; default?: Word },
) {
  return Type.Unsafe<Word>({ [Kind]: 'Choice', type: 'string', enum: words, ...options });
}

/**
 * Whether the value can be stored, sent and compared byte for byte. U+FFFD is refused: it is what a
 * decoder leaves where the sender's bytes were not UTF-8.
 */
export function isText(value: string, bytesMax: number): boolean {
  if (value.length === 0 || value.length > bytesMax) return false;
  let bytes = value.length;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) return false;
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    if (unit === 0xfffd) return false;
    if (unit >= 0xd800 && unit < 0xe000) {
      const low = value.charCodeAt(i + 1);
      if (unit >= 0xdc00 || !(low >= 0xdc00 && low < 0xe000)) return false;
      // Two units, four bytes: one unit has been counted with three, the other still counts one.
      i++;
    }
  }
  return bytes <= bytesMax;
}

interface TextSchema extends TSchema {
  maxLength: number;
}
interface ChoiceSchema extends TSchema {
  enum: string[];
}
TypeRegistry.Set<TextSchema>(
  'Text',
  (schema, value) => typeof value === 'string' && isText(value, schema.maxLength),
);
TypeRegistry.Set<ChoiceSchema>('Choice', (schema, value) => schema.enum.includes(value as string));
