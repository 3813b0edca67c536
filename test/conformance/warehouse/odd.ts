/** Names and texts that break what is glued together instead of quoted. */
import fc from 'fast-check'

/** Any character but NUL and the halves of surrogate pairs; fast-check's own unit takes a second to build. */
export const character = fc
  .integer({ min: 1, max: 0x10ffff })
  .filter(code => code < 0xd800 || code > 0xdfff)
  .map(code => String.fromCodePoint(code))

export const oddIdentifiers = [
  'select',
  'order',
  'Mixed Case',
  'with "quotes"',
  "apostrophe's",
  'semi;colon',
  'dotted.name',
  'ünï',
  '日本',
  '1st',
  '$1',
]

export const oddTexts = [
  '',
  ' ',
  "it's",
  'say "hi"',
  'back\\slash',
  'a/b',
  'tab\tline\nreturn\r',
  'é',
  'e\u0301',
  '👩‍👩‍👧',
  '日本',
  '\u2028',
  '{{x}}',
  '$1',
  '--',
  '/*',
]
