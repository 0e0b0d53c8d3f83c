/** The two faces of the API. Without a version in the request it is v3.0.0. */
export type Version = 'v2' | 'v3.0.0';
