<?php
// A bot for PHP's own server. It verifies the handshake and signatures, answers each message and logs a purchase, both
// with curl to Graph by its real name.
function post(string $url, $body, array $headers = []): void
{
    $call = curl_init($url);
    curl_setopt_array($call, [CURLOPT_POSTFIELDS => $body, CURLOPT_HTTPHEADER => $headers, CURLOPT_RETURNTRANSFER => true]);
    if (curl_exec($call) === false) {
        error_log(curl_error($call));
    }
}

if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    $ok = ($_GET['hub_verify_token'] ?? '') === getenv('VERIFY_TOKEN');
    http_response_code($ok ? 200 : 403);
    echo $ok ? $_GET['hub_challenge'] : '';
    return;
}
$body = file_get_contents('php://input');
$want = 'sha256=' . hash_hmac('sha256', $body, getenv('APP_SECRET'));
if (!hash_equals($want, $_SERVER['HTTP_X_HUB_SIGNATURE_256'] ?? '')) {
    http_response_code(403);
    return;
}
foreach (json_decode($body, true)['entry'] as $entry) {
    foreach ($entry['messaging'] ?? [] as $item) {
        if (!isset($item['message']['text']) || ($item['message']['is_echo'] ?? false)) {
            continue;
        }
        $person = $item['sender']['id'];
        post('https://graph.facebook.com/v26.0/me/messages?access_token=' . urlencode(getenv('PAGE_ACCESS_TOKEN')),
            json_encode(['recipient' => ['id' => $person], 'messaging_type' => 'RESPONSE',
                'message' => ['text' => 'php: ' . $item['message']['text']]]),
            ['Content-Type: application/json']);
        post('https://graph.facebook.com/v26.0/' . getenv('APP_ID') . '/activities', http_build_query([
            'event' => 'CUSTOM_APP_EVENTS', 'custom_events' => json_encode([['_eventName' => 'fb_mobile_purchase',
                '_valueToSum' => 55.22, 'fb_currency' => 'USD']]),
            'advertiser_tracking_enabled' => 1, 'application_tracking_enabled' => 1, 'extinfo' => json_encode(['mb1']),
            'page_id' => $entry['id'], 'page_scoped_user_id' => $person]));
    }
}
echo 'EVENT_RECEIVED';
