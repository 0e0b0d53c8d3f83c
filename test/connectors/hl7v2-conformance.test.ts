import type { Impossible } from './bench.ts';
import { conformance } from './conformance.ts';
import { startHl7v2Bench } from './hl7v2-bench.ts';

const PUSHED = 'the HRS sends its messages by itself and is asked for nothing';

const impossible: Impossible = {
  ...{ cutRead: PUSHED, maintenance: PUSHED, halfAnswer: PUSHED, answerCutOff: PUSHED, serverError: PUSHED },
  ...{ redirect: PUSHED, quotaAnswer: PUSHED, unauthorised: PUSHED, emptyList: PUSHED, emptyObject: PUSHED },
  ...{ nullAnswer: PUSHED, emptyAnswer: PUSHED, endlessNesting: PUSHED, silentRead: PUSHED },
  ...{ strangerNotFound: PUSHED, movingPage: PUSHED, emptyScope: PUSHED },
  errorAfterWork: 'an AE promises that nothing was done, and its repetition names the same appointment',
  crossing: 'a message tells one thing alone, and nothing of it is stored over anything',
  quotaForWork: 'HL7 v2 has no way to ask for patience',
};

conformance('hl7v2, answered by its feed', (budget) => startHl7v2Bench('echo', budget), {
  ...impossible,
  yesWithoutWork: 'patients are taken by their acknowledgement alone, and no feed has to tell of them',
});

conformance('hl7v2, acknowledged', (budget) => startHl7v2Bench('acknowledgment', budget), {
  ...impossible,
  yesWithoutWork: 'the acknowledgement is the proof',
});
