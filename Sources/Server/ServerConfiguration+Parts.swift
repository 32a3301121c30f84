import API
import HTTP
import ResponsesWire
import Runners
package import SessionHosting
import Upstreams

/// The settings of each part.
extension ServerConfiguration {
    var runnerOptions: RunnerOptions {
        RunnerOptions(model: runnerModel, offerTimeout: runnerWait, leaseDuration: runnerLease)
    }

    package var sessionSettings: SessionSettings {
        SessionSettings(
            limits: sessionLimits, residentLogBytes: residentLogBytes, maxLogMemoryBytes: maxLogMemoryBytes, residency: residency,
            retention: retention, refusal: ToolRules(rejectsUnknown: rejectsUnknownTools).refusal)
    }

    var apiSettings: APISettings {
        APISettings(
            maxBodyBytes: httpLimits.maxBodyBytes, heartbeat: heartbeat, drainWindow: drainWindow,
            allowedOrigins: allowedOrigins, isLoopbackOnly: isLoopbackOnly,
            webSockets: WebSocketSettings(maxMessageBytes: maxMessageBytes, deflate: deflate, liveness: webSocketLiveness))
    }

    /// The configured upstreams; if there are none, the rehearsal model.
    func upstreams(orRehearsalAt baseURL: String?) -> [UpstreamConfiguration] {
        guard upstreams.isEmpty, let baseURL else { return upstreams }
        var upstream = UpstreamConfiguration(baseURL: baseURL, silenceTimeout: rehearsalSilenceTimeout)
        upstream.wording = wording
        return [upstream]
    }
}
