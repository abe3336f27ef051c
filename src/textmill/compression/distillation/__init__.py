"""What distill is made of: the student, the documents it is taught on, the teacher's answers, what is compared."""
