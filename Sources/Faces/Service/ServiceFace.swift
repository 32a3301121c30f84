import API
import HTTP
import Hosting
import JSON
import Network

/// Models and health checks.
package enum ServiceFace {
    /// `GET /v1/models`
    static func models(_ call: Call) {
        call.services.modelNames.askAgain(at: call.loop.now)
        let names = call.services.modelNames.all
        call.respond { list in
            list.field("object", "list")
            list.array("data") { data in
                for model in names { data.object { write(model, to: &$0) } }
            }
        }
    }

    /// `GET /v1/models/{id}`
    static func model(_ call: Call, id: String) throws(APIError) {
        guard let model = call.services.modelNames.all.first(where: { $0.name == id }) else {
            throw APIError(
                status: .notFound, message: "The model '\(id)' is not listed here.", param: "model", code: "model_not_found")
        }
        call.respond { write(model, to: &$0) }
    }

    private static func write(_ model: ModelNames.Entry, to writer: inout JSONObjectWriter) {
        writer.field("id", model.name)
        writer.field("object", "model")
        writer.field("created", model.created)
        writer.field("owned_by", model.ownedBy)
    }

    /// `GET /healthz`: the process and this loop are running.
    static func health(_ call: Call) {
        call.respond { $0.field("status", "ok") }
    }

    /// `GET /readyz`: the server accepts new work.
    static func readiness(_ call: Call) {
        let isServing = call.services.lifecycle.stage == .serving
        let canWrite = call.services.storageFailure == nil
        call.respond(isServing && canWrite ? .ok : .serviceUnavailable) {
            $0.field("status", !isServing ? "draining" : canWrite ? "ready" : "storage_unavailable")
        }
    }
}
