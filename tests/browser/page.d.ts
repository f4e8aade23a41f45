// What the admin API answers, as the page's modules name it. Everything comes from the server's own document, by types.mjs;
// three objects that the document leaves open are said here. Types of the page's own stand as comments in its modules.

declare namespace Page {
  /** See dom.js: a comment cannot say a type that contains itself. */
  type Child = Node | string | number | boolean | null | undefined | Child[];
}

declare namespace Api {
  type Schemas = import('./openapi').components['schemas'];
  type Operations = import('./openapi').operations;

  /** The body of the answer to an operation of the document, by the operation's id; null where the answer has none. */
  type Answer<Id extends keyof Operations> =
    Operations[Id] extends { responses: { 200: { content: { 'application/json': infer Body } } } } ? Narrowed<Body>
    : Operations[Id] extends { responses: { 201: { content: { 'application/json': infer Body } } } } ? Narrowed<Body>
    : null;

  /** The body that an operation takes. */
  type Body<Id extends keyof Operations> =
    NonNullable<Operations[Id]['requestBody']> extends { content: { 'application/json': infer Sent } } ? Sent : never;

  type Narrowed<Body> =
    Body extends Schemas['IdentityProviderGuide'] ? Omit<Body, 'guide'> & { guide: Guide }
    : Body extends Schemas['Activity'] ? Omit<Body, 'firstRequest' | 'latestRefusal'> & Contacts
    : Body;

  type Product = Answer<'getProduct'>;
  type Store = Answer<'getStore'>;
  type Provider = Schemas['IdentityProvider'];
  type GuidedProvider = Answer<'getIdentityProvider'>;
  type Tenant = Schemas['Tenant'];
  type Connection = Schemas['Connection'];
  type Token = Connection['tokens'][number];
  type Activity = Answer<'getActivity'>;
  type Total = Activity['hours'][number];
  type Health = Schemas['Health'];
  type User = Schemas['UserDetails'];
  /** A record of the journal as the list has it. */
  type RecordRow = Schemas['RequestRow'];
  /** A record of the journal with its bodies. */
  type Record = Schemas['Request'];

  /** One text in each language of the page. */
  type Translated<Text> = { en: Text; de: Text };

  interface Step {
    id: string;
    title: Translated<string>;
    do: Translated<string[]>;
    hint?: Translated<string>;
    /** What the provider's traffic shows once the step is done. */
    proof?: 'contact' | 'change';
    shows?: 'mappings';
    /** Only with groups (true) or only without (false). */
    groups?: boolean;
  }

  /** The setup in the provider's own screens: the files in plugin/core/src/connection/guides. */
  interface Guide {
    console: Translated<string>;
    fields: { url: string; token: string; target: string; source: string };
    words: Translated<globalThis.Record<string, string>>;
    steps: Step[];
  }

  /** The first request of a connection and the latest one that was refused for its token. */
  interface Contacts {
    firstRequest?: { number: number; time: string; status: number; detail: string | null; operation: string } | null;
    latestRefusal?: { time: string; status: number; detail: string | null; tokenHint: string | null } | null;
  }
}
