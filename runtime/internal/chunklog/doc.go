// Package chunklog keeps records of a history as providers store them, and makes the reads
// of a historystore.Store of two simple ones.
//
// A batch of records is encoded into one piece, which has each text once: a record takes
// about 30 bytes. A provider appends the piece to its newest chunk while that is small,
// and else begins a new one, so that to add some hundreds of records costs as little as
// one write. Beside it is an index of two bytes for each record, which shows whether a
// task is in the chunk at all. The oldest chunks are removed as a whole.
package chunklog
