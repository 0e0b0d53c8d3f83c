import { createSeal } from '../../src/store/seal.ts';

const KEY = Buffer.alloc(32, 'test');

/** For OPENCHAIR_SECRET_KEY. */
export const SECRET_KEY = KEY.toString('hex');

/** For tests that need one and do not look at it. */
export const SEAL = createSeal([KEY]);
