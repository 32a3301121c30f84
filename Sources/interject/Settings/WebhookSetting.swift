import Jobs

/// The value of `--webhook`: a URL with an optional prefix `all+`.
struct WebhookSetting: Equatable, Sendable {
    var url: String
    var hearsAllResponses: Bool

    private static let allPrefix = "all+"

    static func read(_ text: String) throws(InvalidValue) -> WebhookSetting {
        let hearsAll = text.hasPrefix(allPrefix)
        let url = hearsAll ? String(text.dropFirst(allPrefix.count)) : text
        do throws(WebhookURL.Problem) {
            return WebhookSetting(url: try WebhookURL(url, allowsPrivate: true).text, hearsAllResponses: hearsAll)
        } catch {
            // The value is omitted: its path may be a secret.
            throw InvalidValue("this is not an endpoint's URL: \(error)")
        }
    }
}

extension ServeSettings {
    /// Validates the settings of webhooks as a whole, and converts them.
    func webhookSettings() throws(Failure) -> WebhookSettings {
        if webhooks.isEmpty, !webhookSecrets.isEmpty {
            throw .usage("--webhook-secret: there is no --webhook to use it for")
        }
        if !webhooks.isEmpty, webhookSecrets.count != 1, webhookSecrets.count != webhooks.count {
            throw .usage(
                """
                --webhook-secret: \(webhookSecrets.count) secrets for \(webhooks.count) endpoints: give one for each --webhook, \
                in their order, or one for all
                """)
        }
        var settings = WebhookSettings()
        settings.allowsPrivate = webhooksAllowPrivate
        settings.retryBase = webhookRetryBase
        for (index, webhook) in webhooks.enumerated() {
            let secret = webhookSecrets.count > 1 ? webhookSecrets[index] : webhookSecrets[0]
            guard WebhookSecret(secret) != nil else {
                throw .usage(
                    "--webhook-secret: give whsec_ and base64, or any text, of at least \(WebhookSecret.minByteCount) bytes")
            }
            do throws(WebhookURL.Problem) {
                _ = try WebhookURL(webhook.url, allowsPrivate: webhooksAllowPrivate)
            } catch {
                throw .usage("--webhook: \(error)")
            }
            settings.endpoints.append(
                WebhookSettings.Endpoint(url: webhook.url, secret: secret, hearsAllResponses: webhook.hearsAllResponses))
        }
        return settings
    }
}
