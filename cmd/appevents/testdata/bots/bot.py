# A bot of the standard library. It verifies the handshake and signatures, answers each message with urllib and logs a
# purchase with http.client, both to Graph by its real name.
import hashlib, hmac, http.client, http.server, json, os, ssl, sys, urllib.parse, urllib.request

TOKEN, SECRET = os.environ["PAGE_ACCESS_TOKEN"], os.environ["APP_SECRET"].encode()


def send(psid, text):
    request = urllib.request.Request(
        "https://graph.facebook.com/v26.0/me/messages?access_token=" + TOKEN,
        json.dumps({"recipient": {"id": psid}, "messaging_type": "RESPONSE", "message": {"text": text}}).encode(),
        {"Content-Type": "application/json"})
    urllib.request.urlopen(request).read()


def log(page, psid):
    proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
    call = http.client.HTTPSConnection(proxy.hostname, proxy.port, context=ssl.create_default_context())
    call.set_tunnel("graph.facebook.com", 443)
    events = [{"_eventName": "fb_mobile_purchase", "_valueToSum": 55.22, "fb_currency": "USD"}]
    call.request("POST", "/v26.0/%s/activities" % os.environ["APP_ID"], urllib.parse.urlencode({
        "event": "CUSTOM_APP_EVENTS", "custom_events": json.dumps(events), "advertiser_tracking_enabled": 1,
        "application_tracking_enabled": 1, "extinfo": json.dumps(["mb1"]), "page_id": page,
        "page_scoped_user_id": psid}), {"Content-Type": "application/x-www-form-urlencoded"})
    call.getresponse().read()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        ok = query.get("hub.verify_token") == [os.environ["VERIFY_TOKEN"]]
        self.answer(200 if ok else 403, query.get("hub.challenge", [""])[0] if ok else "")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        want = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(want, self.headers.get("X-Hub-Signature-256", "")):
            return self.answer(403, "")
        for entry in json.loads(body)["entry"]:
            for item in entry.get("messaging", []):
                text = item.get("message", {}).get("text")
                if text and not item["message"].get("is_echo"):
                    send(item["sender"]["id"], "python: " + text)
                    log(entry["id"], item["sender"]["id"])
        self.answer(200, "EVENT_RECEIVED")

    def answer(self, status, text):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Handler)
print("python bot listens on", server.server_port, flush=True)
server.serve_forever()
