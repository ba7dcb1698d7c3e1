// A bot of the standard library: https.request for the answer, fetch for the event, both to Graph by its real name.
'use strict';
const crypto = require('crypto');
const http = require('http');
const https = require('https');
const { APP_ID, APP_SECRET, PAGE_ACCESS_TOKEN, VERIFY_TOKEN, PORT } = process.env;

function send(psid, text) {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ recipient: { id: psid }, messaging_type: 'RESPONSE', message: { text } });
    const call = https.request({ hostname: 'graph.facebook.com', method: 'POST',
      path: '/v26.0/me/messages?access_token=' + encodeURIComponent(PAGE_ACCESS_TOKEN),
      headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) } },
    (answer) => { answer.resume(); answer.on('end', resolve); });
    call.on('error', reject);
    call.end(body);
  });
}

async function log(page, psid) {
  const events = [{ _eventName: 'fb_mobile_purchase', _valueToSum: 55.22, fb_currency: 'USD' }];
  await (await fetch('https://graph.facebook.com/v26.0/' + APP_ID + '/activities', { method: 'POST',
    body: new URLSearchParams({ event: 'CUSTOM_APP_EVENTS', custom_events: JSON.stringify(events),
      advertiser_tracking_enabled: 1, application_tracking_enabled: 1, extinfo: JSON.stringify(['mb1']),
      page_id: page, page_scoped_user_id: psid }) })).text();
}

const server = http.createServer(async (request, response) => {
  const query = new URL(request.url, 'http://bot').searchParams;
  if (request.method === 'GET') {
    const ok = query.get('hub.verify_token') === VERIFY_TOKEN;
    response.writeHead(ok ? 200 : 403).end(ok ? query.get('hub.challenge') : '');
    return;
  }
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const want = 'sha256=' + crypto.createHmac('sha256', APP_SECRET).update(body).digest('hex');
  if (request.headers['x-hub-signature-256'] !== want) { response.writeHead(403).end(); return; }
  for (const entry of JSON.parse(body).entry) {
    for (const item of entry.messaging || []) {
      if (!item.message || !item.message.text || item.message.is_echo) continue;
      await send(item.sender.id, 'node: ' + item.message.text);
      await log(entry.id, item.sender.id);
    }
  }
  response.end('EVENT_RECEIVED');
});
server.listen(Number(PORT || 0), '127.0.0.1', () => console.log('node bot listens on', server.address().port));
