/** What a failed look means for a write that is made of several requests: that depends on whether it has begun. */
import { HrsNonsense, OutcomeUnknown, Unavailable } from './connector.ts';

/** A look before the first byte of a write has left: whatever goes wrong, nothing has been done. */
export async function beforeWriting<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof HrsNonsense) throw new Unavailable(`nothing was written: ${error.message}`);
    throw error;
  }
}

/** A look after something has been sent: whoever cannot look does not know how the write ended. */
export async function afterWriting<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    throw new OutcomeUnknown(`after a write: ${(error as Error).message}`);
  }
}
