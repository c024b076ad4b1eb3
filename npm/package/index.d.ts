/** FHIR R4 `issue-severity`. `fatal` and `error` are in the way of a mapping, `warning` and `information` are not. */
export type Severity = 'fatal' | 'error' | 'warning' | 'information';

/** FHIR R4 `issue-type`, as far as a mapping needs it. */
export type IssueCode =
  | 'invalid'
  | 'structure'
  | 'required'
  | 'value'
  | 'conflict'
  | 'not-found'
  | 'not-supported'
  | 'business-rule';

/** One problem of an input. All problems are told together, and none repeats personal data. */
export interface Issue {
  severity: Severity;
  code: IssueCode;
  /** FHIRPath of the element, or the key of a document that is not FHIR. Empty: the document as a whole. */
  expression: string;
  /** What was expected, and what kind of thing was there. */
  diagnostics: string;
}

/** A FHIR R4 `OperationOutcome`. */
export interface OperationOutcome {
  resourceType: 'OperationOutcome';
  issue: { severity: Severity; code: string; diagnostics: string; expression?: [string] }[];
}

/** A mapped document. */
export interface Mapped<T> {
  /** JSON text, byte for byte what every other runtime of the mapping writes. Send this. */
  readonly body: string;
  /** `body`, parsed when it is first asked for. */
  readonly value: T;
  /** Equal for two inputs that must have one effect only, for example `claim/<uuid>`. */
  readonly idempotencyKey: string;
  /** What somebody should look at though the input was mapped; read when it is first asked for. */
  readonly warnings: Issue[];
  /** `body`, `idempotencyKey` and `warnings`. */
  toJSON(): { body: string; idempotencyKey: string; warnings: Issue[] };
}

/**
 * A document: bytes of UTF-8 JSON (a `Buffer` is one), JSON text, or a parsed value.
 * Prefer the bytes as they came in: parsing loses what JSON.parse loses, such as a key that is there twice.
 */
export type Input = Uint8Array | ArrayBuffer | string | object | null;

/** How a CHT record is written. What is left out has its default. */
export interface ClaimResponseSettings {
  /** Code of the CHT form (`_meta.form`). Default `OP`. */
  form?: string;
  /** Names of the form's fields. */
  fields?: {
    /** The contact, or openIMIS's uuid of the patient. Default `patient_id`. */
    patient_id?: string;
    /** The claim's code. Default `op_claim_id`. */
    claim_id?: string;
    /** The claim's uuid. Default `op_claim_uuid`. */
    claim_uuid?: string;
    /** Default `op_year`. */
    year?: string;
    /** 1 to 12, no leading zero. Default `op_month`. */
    month?: string;
    /** 1 to 32, no leading zero. Default `op_day`. */
    day?: string;
    /** Midnight of the claim's day, milliseconds since 1970-01-01 UTC, a number. Default `op_date`; `''` leaves it out. */
    date?: string;
  };
  /** Calendar of year, month and day. Default `bikram-sambat` (Nepal). */
  calendar?: 'bikram-sambat' | 'gregorian';
  /** Minutes east of UTC of the clock that decides on which day a claim was made, -1080 to 1080. Default 0. */
  utc_offset_minutes?: number;
  /** `_meta.locale`, for example `ne`. Default `''`: none. */
  locale?: string;
}

/** How the answers of the feedback form are read. */
export interface FeedbackSettings {
  /** Lowest rating that the form offers, 0 to 255. Default 0. */
  rating_min?: number;
  /** Highest rating that the form offers, 0 to 255. Default 5. */
  rating_max?: number;
}

/** How a CHT person is written. */
export interface PatientSettings {
  /** CHT contact type. Default `person`; another one is written as `contact_type`. */
  person_type?: string;
  /** openIMIS location to CHT place. Default none. */
  places?: { location_code: string; place_id: string }[];
  /** CHT place for insurees whose location is not in `places`. Default `''`: such an insuree is an issue. */
  default_place?: string;
  /** Country calling code for numbers written without one, for example `+977`. Default `''`: they are left out. */
  phone_prefix?: string;
}

/** What goes in beside a `ClaimResponse`. */
export interface ClaimResponseOptions {
  settings?: ClaimResponseSettings;
  /** The patient's CHT contact: its `_id`, or its short `patient_id`. Without it the insuree's uuid is written. */
  contact?: { contact_id: string } | null;
  /** The claim's day (FHIR `date` or `dateTime`), where it is known better than from `ClaimResponse.created`. */
  claimDate?: string | null;
}

/** What goes in beside a feedback. */
export interface FeedbackOptions {
  settings?: FeedbackSettings;
  /** openIMIS's uuid of the claim's patient; used if the feedback carries none. */
  insureeUuid?: string | null;
}

/** What goes in beside a `Patient`. */
export interface PatientOptions {
  settings?: PatientSettings;
  /** Codes of the insuree's openIMIS location: the village first, then what it is part of. */
  locationCodes?: string[] | null;
}

/** Body of CHT's `POST /api/v2/records`: texts only, under the names of the settings. */
export type ChtRecord = { _meta: { form: string; locale?: string } } & {
  [field: string]: string | { form: string; locale?: string };
};

/** Body of openIMIS's `POST Communication/`. */
export interface Communication {
  resourceType: 'Communication';
  status: 'completed';
  subject: { reference: string; type: 'Patient' };
  about: [{ reference: string; type: 'Claim' }];
  payload: {
    extension: [{ url: string; valueCodeableConcept: { coding: [{ system: string; code: string }] } }];
    contentString: string;
  }[];
}

/** Body of CHT's `POST /api/v1/people`. */
export interface ChtPerson {
  /** UUIDv5 of the insuree's uuid: the same insuree is the same person for ever. */
  _id: string;
  type: string;
  contact_type?: string;
  name: string;
  place: string;
  sex?: string;
  /** `YYYY-MM-DD`. */
  date_of_birth?: string;
  /** E.164, for example `+9779841234567`. */
  phone?: string;
  openimis_id: string;
  chf_id?: string;
}

/**
 * openIMIS's `ClaimResponse` to the CHT record that raises the health worker's task.
 * @throws {MappingError} if the input cannot be mapped; it names every issue
 * @throws {SettingsError} if a setting is unknown or cannot be used
 */
export function mapClaimResponse(input: Input, options?: ClaimResponseOptions): Mapped<ChtRecord>;

/**
 * What CHT's outbound push sends to the FHIR `Communication` that openIMIS keeps on the claim.
 * @throws {MappingError} if the input cannot be mapped; it names every issue
 * @throws {SettingsError} if a setting is unknown or cannot be used
 */
export function mapFeedback(input: Input, options?: FeedbackOptions): Mapped<Communication>;

/**
 * openIMIS's insuree (FHIR `Patient`) to the CHT person.
 * @throws {MappingError} if the input cannot be mapped; it names every issue
 * @throws {SettingsError} if a setting is unknown or cannot be used
 */
export function mapPatient(input: Input, options?: PatientOptions): Mapped<ChtPerson>;

/** The settings of all maps, each as its function takes it. */
export interface Settings {
  claimResponse?: ClaimResponseSettings;
  feedback?: FeedbackSettings;
  patient?: PatientSettings;
}

/** The three maps with settings that are read and checked once, not with every call. Its functions may be passed on by themselves. */
export class Mapper {
  /** @throws {SettingsError} if a setting is unknown or cannot be used. A later change of `settings` has no effect. */
  constructor(settings?: Settings);
  /** @throws {MappingError} if the input cannot be mapped; it names every issue */
  readonly mapClaimResponse: (input: Input, options?: Omit<ClaimResponseOptions, 'settings'>) => Mapped<ChtRecord>;
  /** @throws {MappingError} if the input cannot be mapped; it names every issue */
  readonly mapFeedback: (input: Input, options?: Omit<FeedbackOptions, 'settings'>) => Mapped<Communication>;
  /** @throws {MappingError} if the input cannot be mapped; it names every issue */
  readonly mapPatient: (input: Input, options?: Omit<PatientOptions, 'settings'>) => Mapped<ChtPerson>;
}

/** The input cannot be mapped. The message has one line for each issue. */
export class MappingError extends Error {
  private constructor();
  readonly name: 'MappingError';
  /** At least one, all problems at once. */
  readonly issues: Issue[];
  /** The issues as FHIR wants to be told. */
  operationOutcome(): OperationOutcome;
}

/** Settings that are unknown, of the wrong type or of no use. The message has one line for each. */
export class SettingsError extends TypeError {
  private constructor();
  readonly name: 'SettingsError';
  readonly problems: {
    /** `fields.date`, `places[0].place_id`; empty: the settings as a whole. */
    setting: string;
    problem: string;
  }[];
}
