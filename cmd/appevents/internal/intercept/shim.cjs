// Leads the calls of a Node program to Graph's hosts into the emulator. Node 20 ignores HTTPS_PROXY, and many HTTP
// libraries do too; all of them end in http.request and https.request, or in fetch.
'use strict';
const http = require('http');
const https = require('https');
const emulator = new URL(process.env.APPEVENTS_INTERCEPT || 'http://127.0.0.1:8226');
const hosts = new Set(['graph.facebook.com', 'graph.instagram.com']);

function wrap(module) {
  const request = module.request;
  module.request = function (input, options, callback) {
    if (typeof input === 'string') input = new URL(input);
    if (input instanceof URL) {
      if (typeof options === 'function') [options, callback] = [undefined, options];
      const { urlToHttpOptions } = require('url');
      input = { ...urlToHttpOptions(input), ...options };
    } else {
      callback = options;
    }
    const host = String((input && (input.hostname || input.host)) || '').replace(/:\d+$/, '').toLowerCase();
    if (!hosts.has(host)) return request.call(module, input, callback);
    const headers = Array.isArray(input.headers) ? input.headers : { ...input.headers };
    if (!Array.isArray(headers) && !Object.keys(headers).some((name) => name.toLowerCase() === 'host')) headers.host = host;
    const local = { ...input, protocol: 'http:', hostname: emulator.hostname, host: emulator.hostname, headers,
      port: emulator.port, agent: undefined, createConnection: undefined, socketPath: undefined, defaultPort: undefined };
    return plain.call(http, local, callback);
  };
  module.get = function (...args) {
    const call = module.request(...args);
    call.end();
    return call;
  };
}

const plain = http.request;
wrap(http);
wrap(https);
require('module').syncBuiltinESMExports(); // for "import { request } from 'https'"

if (typeof globalThis.fetch === 'function') {
  const original = globalThis.fetch;
  globalThis.fetch = function (input, init) {
    let url;
    try { url = new URL(typeof input === 'object' && input.url ? input.url : String(input)); } catch { return original(input, init); }
    if (!hosts.has(url.hostname)) return original(input, init);
    // fetch sets Host itself: the emulator takes Graph under its own name too.
    const local = new URL(url.pathname + url.search, emulator);
    return original(typeof input === 'object' && input.url ? new Request(local, input) : local, init);
  };
}
