/** The systems that an onboarding can name, and what their makers call them. */
import { KINDS } from '../../connectors/registry.ts';

/** NexHealth's names. None of these systems can be connected by itself; each may have an interface that can. */
const FOREIGN: Record<string, string> = {
  athena: 'athenahealth',
  curve2: 'Curve',
  cloud9: 'Cloud 9',
  denticon: 'Denticon',
  dentrix: 'Dentrix',
  dentrixascend: 'Dentrix Ascend',
  drchrono: 'DrChrono',
  eaglesoft: 'Eaglesoft',
  ecw: 'eClinicalWorks',
  modmed: 'ModMed',
  nextgen: 'NextGen',
  opendental: 'Open Dental',
};

/** What `emr_name` may be: the kinds that can be connected, and the systems that NexHealth knows. */
export const EMR_NAMES: readonly string[] = [...KINDS.keys(), ...Object.keys(FOREIGN)];

/** The name of a system that cannot be connected by itself; null for one of our kinds. */
export const findForeignName = (emrName: string): string | null => FOREIGN[emrName] ?? null;
