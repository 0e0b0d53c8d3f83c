import assert from 'node:assert/strict';
import { isAscii, isUtf8 } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { findCharset } from '../../src/connectors/hl7v2/charset.ts';
import { type Delimiters, escapeText, readDelimiters } from '../../src/connectors/hl7v2/delimiters.ts';
import { readHead } from '../../src/connectors/hl7v2/head.ts';
import {
  composeMessage,
  type Field,
  Hl7Unreadable,
  type Message,
  NotInCharset,
  parseMessage,
  type UnreadableCode,
} from '../../src/connectors/hl7v2/message.ts';

const HEAD = 'MSH|^~\\&|OD|Clinic^1.2^ISO|OC||20261201100000-0500||SIU^S12^SIU_S12|C-1|P|2.5.1|||AL|NE';

function read(text: string, encoding: BufferEncoding = 'utf8'): Message {
  return parseMessage(Buffer.from(text, encoding));
}

function whyUnreadable(bytes: Buffer): UnreadableCode | null {
  try {
    parseMessage(bytes);
    return null;
  } catch (error) {
    assert.ok(error instanceof Hl7Unreadable);
    return error.code;
  }
}

const latin1 = (text: string) => Buffer.from(text, 'latin1');

/** The text of NTE-3 in a message with such an MSH-18. */
function noteIn(charset: string, note: Buffer): string | null | undefined {
  return parseMessage(Buffer.concat([latin1(`${HEAD}||${charset}\rNTE|1||`), note, latin1('\r')]))
    .first('NTE')
    ?.value(3);
}

test('fields are numbered as HL7 numbers them', () => {
  const message = read(
    `${HEAD}\rPID|1|CHART|7~8^^^&1.2.3&ISO^MR||García^José^^^\rZXY|whatever\rNTE|1||one\rNTE|2||two\r`,
  );
  const [msh, pid] = [message.first('MSH'), message.first('PID')];
  assert.equal(msh?.value(1), '|');
  assert.equal(msh?.value(2), '^~\\&');
  assert.equal(msh?.value(3), 'OD');
  assert.equal(msh?.value(4, { component: 2 }), '1.2');
  assert.equal(msh?.value(9, { component: 2 }), 'S12');
  assert.equal(msh?.repetitions(2), 1);
  assert.equal(pid?.value(1), '1');
  assert.equal(pid?.repetitions(3), 2);
  assert.equal(pid?.value(3), '7');
  assert.equal(pid?.value(3, { repetition: 2, component: 4, subcomponent: 2 }), '1.2.3');
  assert.equal(pid?.value(3, { repetition: 2, component: 5 }), 'MR');
  assert.equal(pid?.value(3, { repetition: 3 }), undefined);
  assert.equal(pid?.value(5, { component: 2 }), 'José');
  assert.equal(pid?.value(5, { component: 3 }), undefined);
  assert.equal(pid?.value(99), undefined);
  assert.equal(pid?.raw(3), '7~8^^^&1.2.3&ISO^MR');
  assert.equal(pid?.raw(99), '');
  assert.equal(pid?.repetitions(99), 0);
  assert.deepEqual(
    message.all('NTE').map((nte) => nte.value(3)),
    ['one', 'two'],
  );
  assert.equal(message.first('ZXY')?.value(1), 'whatever');
  assert.equal(message.first('SCH'), null);
});

test('empty says nothing, two quotation marks say that there is nothing', () => {
  const pid = read(`${HEAD}\rPID|""||""^Ann|a&""|""~x\r`).first('PID');
  assert.equal(pid?.value(1), null);
  assert.equal(pid?.value(1, { component: 3 }), null);
  assert.equal(pid?.value(2), undefined);
  assert.equal(pid?.value(3), null);
  assert.equal(pid?.value(3, { component: 2 }), 'Ann');
  assert.equal(pid?.value(4, { subcomponent: 2 }), null);
  assert.equal(pid?.value(5), null);
  assert.equal(pid?.value(5, { repetition: 2 }), 'x');
  assert.equal(pid?.text(1), null);
  assert.equal(pid?.text(2), undefined);
});

test('CR, LF and both end a segment; a line that is no segment belongs to the one before', () => {
  for (const end of ['\r', '\n', '\r\n', '\r\r\n']) {
    const message = read(`${end}${HEAD}${end}PID|1${end}NTE|1||x${end}${end}`);
    assert.deepEqual(
      message.segments.map(({ name }) => name),
      ['MSH', 'PID', 'NTE'],
    );
  }
  const noted = read(`${HEAD}\rNTE|1||bring\nthe X-ray\r\n\r\nby PID|noon|c\rPV1|1\r`);
  assert.equal(noted.first('NTE')?.value(3), 'bring\nthe X-ray\n\nby PID');
  assert.equal(noted.first('NTE')?.raw(5), 'c');
  assert.equal(noted.first('PV1')?.value(1), '1');
});

test('escapes', () => {
  const cases: [raw: string, text: string][] = [
    ['a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f', 'a|b^c&d~e\\f'],
    ['one\\.br\\two\\.BR\\three', 'one\ntwo\nthree'],
    ['\\H\\loud\\N\\ quiet', 'loud quiet'],
    ['\\X0D\\', '\n'],
    ['a\\X00\\b', 'ab'],
    ['\\X4A6F73C3A9\\', 'José'],
    ['\\XC3\\', '\\XC3\\'],
    ['\\X4\\ \\XGG\\', '\\X4\\ \\XGG\\'],
    ['\\Zany\\ \\.sp3\\', '\\Zany\\ \\.sp3\\'],
    ['C:\\temp', 'C:\\temp'],
    ['\\', '\\'],
    ['\\E\\F\\E\\', '\\F\\'],
    ['\\P\\', '\\P\\'],
  ];
  for (const [raw, text] of cases) assert.equal(read(`${HEAD}\rNTE|1||${raw}\r`).first('NTE')?.value(3), text, raw);
  assert.equal(read('MSH|^~\\&#|a\rNTE|1||\\P\\\r').first('NTE')?.value(3), '#');
});

test('free text keeps what its sender forgot to escape', () => {
  const nte = read(`${HEAD}\rNTE|1||Smith & Sons ^ call \\T\\ ask~second line\r`).first('NTE');
  assert.equal(nte?.text(3), 'Smith & Sons ^ call & ask\nsecond line');
  assert.equal(nte?.value(3), 'Smith ');
});

test('every message has its own delimiters, and doubtful ones are refused', () => {
  const readable: [encoding: string, truncation: string][] = [
    ['|^~\\&', ''],
    ['|^~\\&#', '#'],
    ['#^~\\&', ''],
    ['!@%$*', ''],
    ['|^~\\', ''],
    ['|^~', ''],
  ];
  for (const [encoding, truncation] of readable) {
    const [field, component, repetition] = encoding;
    const bytes = latin1(`MSH${encoding}${field}A${component}B${repetition}C${field}D\rPID${field}1`);
    assert.equal(whyUnreadable(bytes), null, encoding);
    const message = parseMessage(bytes);
    assert.equal(message.delimiters.truncation, truncation);
    assert.equal(message.first('MSH')?.value(3, { component: 2 }), 'B');
    assert.equal(message.first('MSH')?.value(3, { repetition: 2 }), 'C');
    assert.equal(message.first('MSH')?.value(4), 'D');
    assert.equal(message.first('PID')?.value(1), '1');
  }
  const doubtful = [
    '|',
    '||',
    '|^',
    '|^^\\&',
    '|^|\\&',
    'A^~\\&',
    '|^~A&',
    '|\0~\\&',
    '|^~\\ ',
    '|^~\\"',
    '|^~\\&#!',
    '|^\x7f',
    '|é~',
    ' ^~\\&',
    '|\r^~\\&',
  ];
  for (const encoding of doubtful) {
    const bytes = latin1(`MSH${encoding}${encoding[0]}X\rPID|1\r`);
    assert.equal(whyUnreadable(bytes), 'bad_delimiters', JSON.stringify(encoding));
    assert.equal(readHead(bytes), null);
  }
  for (const short of ['MSH', 'MSH|', 'MSH\r', 'MSH|\r']) assert.equal(whyUnreadable(latin1(short)), 'bad_delimiters');
});

test('what is no single message is refused by name', () => {
  const cases: [bytes: Buffer, code: UnreadableCode][] = [
    [Buffer.alloc(0), 'no_msh'],
    [latin1('PID|1\r'), 'no_msh'],
    [latin1('hello'), 'no_msh'],
    [latin1(`junk${HEAD}\r`), 'no_msh'],
    [latin1(`FHS|^~\\&\rBHS|^~\\&\r${HEAD}\rBTS|1\rFTS|1\r`), 'batch'],
    [latin1(`BHS|^~\\&\r${HEAD}\r`), 'batch'],
    [latin1(`${HEAD}\rPID|1\r${HEAD}\r`), 'several_messages'],
    [latin1(HEAD + '\rZ01|'.repeat(10_000)), 'too_many_segments'],
    [Buffer.from('\ufeffMSH', 'utf16le'), 'undecodable'],
  ];
  for (const [bytes, code] of cases) assert.equal(whyUnreadable(bytes), code);
});

test('MSH-18 says what the bytes are', () => {
  assert.equal(noteIn('', Buffer.from('García 😀')), 'García 😀');
  assert.equal(noteIn('', latin1('García \x93so\x94')), 'García “so”');
  for (const name of ['UNICODE UTF-8', 'utf-8', 'UNICODE']) assert.equal(noteIn(name, Buffer.from('Łukasz')), 'Łukasz');
  assert.equal(noteIn('8859/1', latin1('García')), 'García');
  assert.equal(noteIn('ISO-8859-1', latin1('García')), 'García');
  assert.equal(noteIn('8859/1', Buffer.from('Zoë')), 'Zoë', 'UTF-8 by another name');
  assert.equal(noteIn('8859/2', latin1('\xa3ukasz')), 'Łukasz');
  assert.equal(noteIn('8859/5', latin1('\xb8\xd2\xd0\xdd')), 'Иван');
  assert.equal(noteIn('8859/15', latin1('\xa4')), '€');
  assert.equal(noteIn('8859/1', latin1('\\XE9\\')), 'é');
  assert.equal(noteIn('ASCII', latin1('Garcia')), 'Garcia');
  assert.equal(noteIn('windows-1252', latin1('\x80')), '€');
  assert.equal(noteIn('~ISO IR87', latin1('\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B')), '山田');
  assert.equal(noteIn('ISO IR6~ISO IR87', latin1('\x1b$B!|\x1b(B')), '●', 'a second byte that looks like a delimiter');
  assert.equal(noteIn('BIG-5', latin1('\xa4\xa4')), '中');
  assert.equal(noteIn('GB 18030-2000', latin1('\xd6\xd0')), '中');
  assert.equal(noteIn('KS X 1001', latin1('\xc7\xd1')), '한');
});

test('bytes that are not what MSH-18 says are never decoded', () => {
  const cases: [charset: string, note: Buffer, code: UnreadableCode][] = [
    ['UNICODE UTF-8', latin1('García'), 'undecodable'],
    ['UNICODE UTF-8', Buffer.from('c080', 'hex'), 'undecodable'],
    ['UNICODE UTF-16', latin1('Garcia'), 'undecodable'],
    ['ASCII', latin1('García'), 'undecodable'],
    ['ISO IR6', Buffer.from('García'), 'undecodable'],
    ['', latin1('\x1b$B;3\x1b(B'), 'undecodable'],
    ['8859/1~8859/5', latin1('\x1b-Labc'), 'undecodable'],
    ['8859/12', latin1('x'), 'unknown_charset'],
    ['8859/1~KLINGON', latin1('x'), 'unknown_charset'],
    ['__proto__', latin1('x'), 'unknown_charset'],
    ['ISO IR159', latin1('x'), 'unknown_charset'],
  ];
  for (const [charset, note, code] of cases) {
    const bytes = Buffer.concat([latin1(`${HEAD}||${charset}\rNTE|1||`), note]);
    assert.equal(whyUnreadable(bytes), code, charset);
    assert.equal(readHead(bytes)?.controlId, 'C-1');
  }
  const bytes = latin1(`${HEAD}\rNTE|1||\xb1`);
  assert.equal(parseMessage(bytes, { fallbackCharset: '8859/2' }).first('NTE')?.value(3), 'ą');
  assert.equal(parseMessage(bytes, { fallbackCharset: '8859/2' }).charset, '8859/2');
});

test('UTF-16 is told by its bytes, a byte order mark is no part of MSH', () => {
  const text = `${HEAD}||UNICODE UTF-16\rNTE|1||Łukasz\r`;
  const little = Buffer.from(text, 'utf16le');
  for (const bytes of [little, Buffer.from(`\ufeff${text}`, 'utf16le'), Buffer.from(little).swap16()]) {
    assert.equal(parseMessage(bytes).first('NTE')?.value(3), 'Łukasz');
    assert.equal(readHead(bytes)?.controlId, 'C-1');
  }
  const marked = Buffer.from(`\ufeff${HEAD}\rNTE|1||Łukasz\r`);
  assert.equal(parseMessage(marked).first('NTE')?.value(3), 'Łukasz');
  assert.equal(readHead(marked)?.type, 'SIU^S12');
});

test('the head is read without knowing the character set', () => {
  const head = readHead(latin1(`${HEAD}||KLINGON\rPID|1\r`));
  assert.deepEqual(
    { ...head, delimiters: null },
    {
      delimiters: null,
      sendingApplication: 'OD',
      sendingFacility: 'Clinic^1.2^ISO',
      receivingApplication: 'OC',
      receivingFacility: '',
      sentAtRaw: '20261201100000-0500',
      type: 'SIU^S12',
      trigger: 'S12',
      controlId: 'C-1',
      processingId: 'P',
      version: '2.5.1',
      acceptAck: 'AL',
      applicationAck: 'NE',
      charset: 'KLINGON',
    },
  );
  const idOf = (id: string) => readHead(latin1(`MSH|^~\\&|||||||ACK|${id}|P\r`))?.controlId;
  assert.equal(idOf('x'.repeat(199)), 'x'.repeat(199));
  for (const id of ['', ' ', 'x'.repeat(200), 'a\tb']) assert.equal(idOf(id), null, JSON.stringify(id));
  assert.equal(readHead(latin1('MSH|^~\\&'))?.controlId, null);
  assert.equal(readHead(latin1('PID|1')), null);
  assert.equal(readHead(latin1(`MSH|^~\\&|${'x'.repeat(100_000)}|`))?.controlId, null);
  assert.equal(readHead(latin1('MSH#!%$*#A#B#C#D#2026##SIU!S13#7#P!A#2.3'))?.type, 'SIU^S13');
});

test('segments are composed with their fields by number', () => {
  const bytes = composeMessage(
    [
      ['MSH', { 3: 'OPENCHAIR', 9: ['SIU', 'S12', 'SIU_S12'], 10: 'ID', 11: 'P', 12: '2.5.1' }],
      ['SCH', { 1: 'our', 2: ['theirs', null, ''], 7: undefined, 11: [undefined, ['a&b', '1']], 25: '' }],
      ['PID', { 3: { repetitions: [['7', '', '', ['x', 'y|z']], '8', null, undefined] } }],
      ['NTE', { 1: '1', 3: 'García\r\nline\rlast\n\x0b\x1c\0\ttab' }],
      ['ZZZ', {}],
    ],
    { charset: 'UNICODE UTF-8' },
  );
  assert.deepEqual(bytes.toString().split('\r'), [
    'MSH|^~\\&|OPENCHAIR||||||SIU^S12^SIU_S12|ID|P|2.5.1||||||UNICODE UTF-8',
    'SCH|our|theirs^""|||||||||^a\\T\\b&1',
    'PID|||7^^^x&y\\F\\z~8~""',
    'NTE|1||García\\.br\\line\\.br\\last\\.br\\\ttab',
    'ZZZ',
    '',
  ]);
});

test('a text that the character set lacks is not written', () => {
  const write = (note: string, charset: string) =>
    composeMessage(
      [
        ['MSH', {}],
        ['NTE', { 3: note }],
      ],
      { charset },
    );
  assert.equal(write('García', '8859/1').toString('latin1'), 'MSH|^~\\&||||||||||||||||8859/1\rNTE|||García\r');
  assert.equal(write('Garcia', 'ASCII').toString(), 'MSH|^~\\&\rNTE|||Garcia\r');
  assert.throws(() => write('Łukasz', '8859/1'), NotInCharset);
  assert.throws(() => write('“', '8859/1'), NotInCharset);
  assert.throws(() => write('é', 'ASCII'), NotInCharset);
  assert.throws(() => write('中', 'BIG-5'), NotInCharset);
  assert.throws(() => write('x', 'KLINGON'), RangeError);
});

/** What comes back of a text: line breaks of one kind, no control characters but tabs. */
function kept(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(/[^\P{Cc}\n\t]/gu, '');
}

test('every text comes back, from every field, in every character set that can hold it', () => {
  const awkward = fc.string({
    unit: fc.constantFrom('|', '^', '~', '\\', '&', '"', 'X', '\r', '\n', '\t', '\0', 'é', ' '),
  });
  const text = fc.oneof(
    awkward,
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('""', '\\F\\', '"'),
  );
  const charset = fc.constantFrom('UNICODE UTF-8', '8859/1', '8859/2', '8859/15', 'WINDOWS-1252', 'ASCII');
  fc.assert(
    fc.property(charset, fc.array(text, { minLength: 1, maxLength: 5 }), (charset, texts) => {
      const segment: Record<number, Field> = {
        1: texts[0],
        2: { repetitions: texts.map((text) => [null, [null, text]]) },
        3: texts,
      };
      let bytes: Buffer;
      try {
        bytes = composeMessage(
          [
            ['MSH', {}],
            ['ZZZ', segment],
          ],
          { charset },
        );
      } catch (error) {
        assert.ok(error instanceof NotInCharset);
        assert.equal(findCharset(charset)?.encode(texts.map(kept).join('')), null);
        return;
      }
      // Letters that are UTF-8 by chance are read as such, whatever the name says.
      fc.pre(charset === 'UNICODE UTF-8' || isAscii(bytes) || !isUtf8(bytes));
      const zzz = parseMessage(bytes).first('ZZZ');
      assert.equal(zzz?.value(1) ?? '', kept(texts[0] as string));
      texts.forEach((text, i) => {
        assert.equal(zzz?.value(2, { repetition: i + 1, component: 2, subcomponent: 2 }) ?? '', kept(text));
        assert.equal(zzz?.value(3, { component: i + 1 }) ?? '', kept(text));
      });
    }),
    { numRuns: 1000 },
  );
});

test('every text comes back under any five delimiters', () => {
  const five = fc.uniqueArray(fc.constantFrom(..."!#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(
      five,
      fc.string({ unit: 'grapheme-composite' }),
      fc.string({ unit: 'grapheme-ascii' }),
      (five, one, two) => {
        const delimiters = readDelimiters(`MSH${five.join('')}${five[0]}`) as Delimiters;
        const text = (value: string) => escapeText(value, delimiters);
        const { field, component } = delimiters;
        const bytes = Buffer.from(`MSH${five.join('')}\rNTE${field}${text(one)}${field}a${component}${text(two)}\r`);
        const nte = parseMessage(bytes).first('NTE');
        assert.equal(nte?.value(1) ?? '', kept(one));
        assert.equal(nte?.value(2, { component: 2 }) ?? '', kept(two));
      },
    ),
  );
});

test('any bytes are read or refused, and nothing else', () => {
  const piece = fc.constantFrom(
    'MSH',
    '|',
    '^',
    '~',
    '\\',
    '&',
    '\r',
    '\n',
    'PID',
    'F',
    'X0',
    '""',
    '\0',
    '\x1b',
    '\xe9',
    '8859/1',
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.array(piece, { maxLength: 60 }).map((pieces) => latin1(`${HEAD}||${pieces.join('')}`)),
    fc.array(piece, { maxLength: 20 }).map((pieces) => latin1(`MSH${pieces.join('')}`)),
  );
  fc.assert(
    fc.property(bytes, (bytes) => {
      if (whyUnreadable(bytes) !== null) return;
      for (const segment of parseMessage(bytes).segments) {
        for (let field = 0; field < 20; field++) {
          for (const text of [segment.value(field), segment.text(field)]) {
            assert.ok(text === null || text === undefined || !/[\0\r]/.test(text));
          }
        }
      }
    }),
    { numRuns: 1000, examples: [[latin1('MSH&~|\rF')]] },
  );
});

test('cost grows with the bytes', () => {
  const huge: [what: string, body: string, use: (message: Message) => unknown][] = [
    ['a segment of 1 MB', `NTE|1||${'x'.repeat(1_000_000)}`, (message) => message.first('NTE')?.value(3)],
    ['escapes', `NTE|1||${'\\T\\'.repeat(300_000)}`, (message) => message.first('NTE')?.value(3)],
    ['escape characters', `NTE|1||${'\\'.repeat(1_000_001)}`, (message) => message.first('NTE')?.value(3)],
    ['10,000 segments', 'PID|1|2|3\r'.repeat(9_999), (message) => message.segments.map((pid) => pid.value(2))],
    [
      '100,000 repetitions',
      `PID|1||${'7^MR~'.repeat(100_000)}`,
      (message) => Array.from({ length: 100_000 }, (_, i) => message.first('PID')?.value(3, { repetition: i + 1 })),
    ],
    [
      '1,000 components',
      `PID|${'a^'.repeat(1_000)}`,
      (message) => message.first('PID')?.value(1, { component: 1_000 }),
    ],
    ['blank lines', '\r \n'.repeat(300_000), (message) => message.segments],
    ['spaces', ' '.repeat(1_000_000), (message) => message.segments],
    ['lines that are no segments', 'x\n'.repeat(300_000), (message) => message.first('MSH')?.value(3)],
  ];
  for (const [what, body, use] of huge) {
    const bytes = Buffer.from(`${HEAD}\r${body}\r`);
    const before = process.cpuUsage();
    use(parseMessage(bytes));
    const tookMs = process.cpuUsage(before).user / 1000;
    // Less than a tenth of it; quadratic would be minutes.
    assert.ok(tookMs < 1_000, `${what} took ${tookMs} ms`);
  }
});
