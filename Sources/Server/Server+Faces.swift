import API
import Faces

extension Server {
    /// The server's routes: one face per line, with the parts that it alone needs. The metrics page has the same order.
    static func routes(of parts: Parts, _ configuration: ServerConfiguration) -> [Route] {
        Array(
            [
                ServiceFace.routes,
                ChatFace.routes,
                ResponsesFace.routes,
                ConversationsFace.routes,
                RunnerFace(parts.runners, model: configuration.runnerModel).routes,
                SessionsFace.routes,
                OperatorFace(parts.operatorSources).routes,
                FilesFace(parts.files, limits: configuration.fileLimits).routes,
                BatchesFace(parts.batches).routes,
                WebhooksFace(parts.webhooks).routes,
                UsageFace(parts.usage).routes,
                CredentialsFace.routes,
            ].joined())
    }
}
