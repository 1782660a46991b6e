-- Nobody else writes meanwhile, so a file that no snapshot has is of a transaction that died.
CALL ducklake_expire_snapshots('lake', versions => $unused);
CALL ducklake_rewrite_data_files('lake', delete_threshold => $deleted_share);
CALL ducklake_merge_adjacent_files('lake');
CALL ducklake_cleanup_old_files('lake', cleanup_all => true);
CALL ducklake_delete_orphaned_files('lake', cleanup_all => true);
