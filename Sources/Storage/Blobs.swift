import Foundation
import GRDB

/// SQLite's blobs come and go as Foundation's `Data`; everything else here holds plain bytes.
func data(_ bytes: [UInt8]) -> Data { Data(bytes) }
func bytes(_ data: Data) -> [UInt8] { [UInt8](data) }
