export type { KubeUser, ServiceAccount, TokenWish } from "./access.ts";
export { type ApiServer, type ApiServerOptions, startApiServer } from "./api-server.ts";
export { type KubeAssets, kubeAssets } from "./assets.ts";
export type { AuditEvent } from "./audit.ts";
export { type Authority, createAuthority, type ServingCertificate } from "./certificates.ts";
export { API_SERVER_STARTS_WITHIN_MS, describeKube, testKube } from "./jest.ts";
export type { KubectlResult } from "./kubectl.ts";
export type { ApiProxy, ProxiedRequest, ProxyAnswer, ProxyHook } from "./proxy.ts";
