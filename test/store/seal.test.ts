import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createSeal, SealBroken } from '../../src/store/seal.ts';

const [KEY, OTHER] = [randomBytes(32), randomBytes(32)];
const seal = createSeal([KEY]);
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));

test('what was sealed opens in its place, and shows nothing of itself', () => {
  fc.assert(
    fc.property(bytes, fc.string(), (plain, place) => {
      const sealed = seal.close(plain, place);
      assert.deepEqual(seal.open(sealed, place), plain);
      assert.notDeepEqual(seal.close(plain, place), sealed, 'twice the same is not seen to be the same');
      assert.equal(plain.length >= 4 && sealed.includes(plain), false);
    }),
  );
});

test('nothing else opens: not a changed bit, not a part of it, not in another place', () => {
  fc.assert(
    fc.property(bytes, fc.nat(), fc.string(), (plain, at, place) => {
      const sealed = seal.close(plain, place);
      const changed = Buffer.from(sealed);
      const bit = at % (changed.length * 8);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.throws(() => seal.open(changed, place), SealBroken);
      assert.throws(() => seal.open(sealed.subarray(0, at % sealed.length), place), SealBroken);
      assert.throws(() => seal.open(Buffer.concat([sealed, Buffer.from([0])]), place), SealBroken);
      assert.throws(() => seal.open(sealed, `${place} `), SealBroken);
    }),
  );
  for (const junk of [Buffer.alloc(0), Buffer.alloc(200, 1), Buffer.from('{"baseUrl":"http://hrs"}')]) {
    assert.throws(() => seal.open(junk, 'here'), SealBroken);
  }
});

test('a key that is being replaced opens what it sealed, and seals nothing', () => {
  const old = createSeal([OTHER]).close(Buffer.from('a password'), 'here');
  assert.throws(() => seal.open(old, 'here'), /was sealed under another key/);
  const both = createSeal([KEY, OTHER]);
  assert.equal(both.open(old, 'here').toString(), 'a password');
  assert.equal(both.isCurrent(old), false);
  const anew = both.close(Buffer.from('a password'), 'here');
  assert.equal(both.isCurrent(anew), true);
  assert.equal(seal.open(anew, 'here').toString(), 'a password');
});

test('a key of another length is refused', () => {
  assert.throws(() => createSeal([randomBytes(16)]), /32 bytes/);
  assert.throws(() => createSeal([KEY, Buffer.alloc(0)]), /32 bytes/);
});
