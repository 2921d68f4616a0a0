import type { TestServer } from "@heauth/store/testing";

/** Hands the server from jest's setup to its teardown: both run in jest's own process. */
export const running: { server?: TestServer } = {};
