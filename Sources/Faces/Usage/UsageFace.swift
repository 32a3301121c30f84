package import API
import Access
import Bytes
import Glibc
import HTTP
import JSON
import Network
import Storage

/// `GET /v1/usage`, in the form of OpenAI's usage API, and under its path: `Protocols/authentication.md`.
package struct UsageFace: Sendable {
    private let ledger: UsageLedger

    package init(_ ledger: UsageLedger) { self.ledger = ledger }

    /// Width of a bucket, with the number of buckets per page.
    enum Width: String, CaseIterable {
        case hour = "1h"
        case day = "1d"

        var seconds: Int { self == .hour ? 3600 : 86_400 }
        var defaultLimit: Int { self == .hour ? 24 : 7 }
        var maxLimit: Int { self == .hour ? 168 : 31 }
    }

    /// The properties that rows are grouped by.
    struct Grouping: OptionSet, Sendable {
        let rawValue: Int
        static let model = Grouping(rawValue: 1)
        static let key = Grouping(rawValue: 2)
        static let owner = Grouping(rawValue: 4)
    }

    private struct Group: Hashable, Comparable {
        var owner: String?
        var key: String?
        var model: String?

        private var texts: [String] { [owner ?? "", key ?? "", model ?? ""] }
        static func < (left: Group, right: Group) -> Bool { left.texts.lexicographicallyPrecedes(right.texts) }
    }

    func report(_ call: Call) throws(APIError) {
        let now = Int(time(nil))
        guard let width = Width(rawValue: call.query["bucket_width"] ?? Width.day.rawValue) else {
            throw .invalid("'bucket_width' must be '1h' or '1d'.", param: "bucket_width", code: "invalid_value")
        }
        let end = try call.count("end_time", default: now + 1, max: now + 1)
        let limit = max(1, try call.count("limit", default: width.defaultLimit, max: width.maxLimit))
        // The newest bucket is the current one.
        let asked = try call.count(
            "start_time",
            default: Self.rounded(end.saturatingAdding(width.seconds - 1), to: width).saturatingSubtracting(
                limit.saturatingMultiplied(by: width.seconds)))
        let page = try call.count("page", default: 0)
        let start = Self.rounded(max(asked, page), to: width)
        guard start < end else {
            throw .invalid("'start_time' must lie before 'end_time'.", param: "start_time", code: "invalid_value")
        }
        let stop = min(end, start.saturatingAdding(limit.saturatingMultiplied(by: width.seconds)))
        let grouping = try Self.grouping(call)
        // An administrator sees the usage of all owners. Without keys there is only one owner.
        let owner = call.caller.scopes.isSuperset(of: .admin) ? nil : call.owner
        let ledger = ledger
        let bound = LoopBound(call, on: call.loop)
        Task {
            do throws(StorageError) {
                let rows = try await ledger.rows(from: start, to: stop, owner: owner)
                bound.run { Self.answer($0, rows, from: start, to: stop, width, grouping, hasMore: stop < end) }
            } catch {
                bound.run { $0.fail(APIError(error)) }
            }
        }
    }

    /// The start of the bucket that contains a time.
    private static func rounded(_ time: Int, to width: Width) -> Int {
        // number-safe: rounding toward zero cannot overflow
        time / width.seconds * width.seconds
    }

    private static func grouping(_ call: Call) throws(APIError) -> Grouping {
        var grouping: Grouping = []
        for word in call.query.array("group_by").flatMap({ $0.split(separator: ",").map(String.init) }) {
            switch word {
            case "model": grouping.insert(.model)
            case "key", "api_key_id": grouping.insert(.key)
            case "owner", "project_id": grouping.insert(.owner)
            default:
                throw .invalid(
                    "'group_by' must be of 'model', 'api_key_id', 'project_id'.", param: "group_by", code: "invalid_value")
            }
        }
        return grouping
    }

    private static func answer(
        _ call: Call, _ rows: [UsageRow], from start: Int, to stop: Int, _ width: Width, _ grouping: Grouping, hasMore: Bool
    ) {
        var buckets: [Int: [Group: UsageRow.Counts]] = [:]
        for row in rows {
            let group = Group(
                owner: grouping.contains(.owner) ? row.place.owner : nil, key: grouping.contains(.key) ? row.place.key : nil,
                model: grouping.contains(.model) ? row.place.model : nil)
            buckets[(row.place.hour - start) / width.seconds, default: [:]][group, default: UsageRow.Counts()] += row.counts
        }
        call.respond(fields: [("Cache-Control", "no-store")]) { page in
            page.field("object", "page")
            page.array("data") { data in
                for (index, time) in stride(from: start, to: stop, by: width.seconds).enumerated() {
                    data.object { bucket in
                        bucket.field("object", "bucket")
                        bucket.field("start_time", time)
                        bucket.field("end_time", min(stop, time.saturatingAdding(width.seconds)))
                        bucket.array("results") { results in
                            for (group, counts) in (buckets[index] ?? [:]).sorted(by: { $0.key < $1.key }) {
                                results.object { write(group, counts, to: &$0) }
                            }
                        }
                    }
                }
            }
            page.field("has_more", hasMore)
            page.field("next_page", hasMore ? String(stop) : nil)
        }
    }

    private static func write(_ group: Group, _ counts: UsageRow.Counts, to result: inout JSONObjectWriter) {
        result.field("object", "organization.usage.completions.result")
        result.field("num_model_requests", counts.requests)
        result.field("input_tokens", counts.inputTokens)
        result.field("output_tokens", counts.outputTokens)
        result.field("input_cached_tokens", counts.cachedTokens)
        result.field("model", group.model)
        result.field("api_key_id", group.key)
        result.field("project_id", group.owner)
        result.object("interject") {
            $0.field("reasoning_tokens", counts.reasoningTokens)
            $0.field("cut_generations", counts.cutGenerations)
            $0.field("cut_output_tokens", counts.cutOutputTokens)
            $0.field("tokens_saved_estimated", counts.savedTokensEstimated)
            $0.field("estimated_requests", counts.estimatedRequests)
        }
    }
}
