# A bot of the standard library. It verifies the handshake and signatures, answers each message and logs a purchase, both
# with Net::HTTP to Graph by its real name.
require "json"
require "net/http"
require "openssl"
require "socket"
require "uri"

TOKEN, SECRET, VERIFY = ENV.fetch("PAGE_ACCESS_TOKEN"), ENV.fetch("APP_SECRET"), ENV.fetch("VERIFY_TOKEN")

def say(psid, text)
  Net::HTTP.post(URI("https://graph.facebook.com/v26.0/me/messages?access_token=#{TOKEN}"),
                 { recipient: { id: psid }, messaging_type: "RESPONSE", message: { text: text } }.to_json,
                 "Content-Type" => "application/json")
end

def log(page, psid)
  events = [{ _eventName: "fb_mobile_purchase", _valueToSum: 55.22, fb_currency: "USD" }]
  Net::HTTP.post_form(URI("https://graph.facebook.com/v26.0/#{ENV.fetch('APP_ID')}/activities"),
                      event: "CUSTOM_APP_EVENTS", custom_events: events.to_json, advertiser_tracking_enabled: 1,
                      application_tracking_enabled: 1, extinfo: ["mb1"].to_json, page_id: page, page_scoped_user_id: psid)
end

def answer(method, target, headers, body)
  query = URI.decode_www_form(URI(target).query.to_s).to_h
  if method == "GET"
    return query["hub.verify_token"] == VERIFY ? [200, query["hub.challenge"].to_s] : [403, ""]
  end
  want = "sha256=" + OpenSSL::HMAC.hexdigest("SHA256", SECRET, body)
  return [403, ""] unless OpenSSL.secure_compare(want, headers["x-hub-signature-256"].to_s)
  JSON.parse(body)["entry"].each do |entry|
    (entry["messaging"] || []).each do |item|
      text = item.dig("message", "text")
      next if text.nil? || item["message"]["is_echo"]
      say(item["sender"]["id"], "ruby: #{text}")
      log(entry["id"], item["sender"]["id"])
    end
  end
  [200, "EVENT_RECEIVED"]
end

server = TCPServer.new("127.0.0.1", ENV.fetch("PORT", "0").to_i)
puts "ruby bot listens on #{server.addr[1]}"
$stdout.flush
Signal.trap("TERM") { Signal.trap("TERM", "DEFAULT"); Process.kill("TERM", Process.pid) }
loop do
  Thread.new(server.accept) do |client|
    line = client.gets or next # a connection without a request
    method, target, = line.split
    headers = {}
    while (line = client.gets) && line != "\r\n"
      name, value = line.chomp.split(": ", 2)
      headers[name.downcase] = value
    end
    status, text = answer(method, target, headers, client.read(headers["content-length"].to_i).to_s)
    client.write("HTTP/1.1 #{status} x\r\nContent-Length: #{text.bytesize}\r\nConnection: close\r\n\r\n#{text}")
  ensure
    client.close
  end
end
