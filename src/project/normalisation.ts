/**
 * How an identifier is tidied before it is compared, hashed or sent. `trim`: without space around it; `lower` and `email`:
 * that, in lower case; `gmail`: as `email`, and for gmail.com and googlemail.com also without dots and without what follows
 * a plus, as Gmail delivers them; `e164`: a phone number as +447700900123, NULL when it can be none.
 */
export const normalisations = ['email', 'gmail', 'trim', 'lower', 'e164'] as const
export type Normalisation = (typeof normalisations)[number]
